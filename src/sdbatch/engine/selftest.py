"""Tests whether the result depends on batch composition: a probe is computed in several slots, with other neighbours.

``Exactness`` stores the verdicts. The verdict at start-up, at one small size, is part of the profile. On GPUs, which
choose kernels by size, each bucket is probed at its first use as well; a failure adds a warning to its pictures. On a
CPU pictures of other sizes have the warning that theirs is unverified.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sdbatch.engine.denoise import Row
from sdbatch.errors import RenderError
from sdbatch.spec.renderer import UNVERIFIED, Bucket

EACH_SIZE = ("cuda", "mps")  # devices where every bucket is probed; on a CPU that costs as much as a picture
NOT_FINITE = {
    torch.float16: "use runtime.dtype=bfloat16 or float32",
    torch.bfloat16: "use runtime.dtype=float32",
    torch.float32: "are the model's weights damaged?",
}
Call = Callable[[Sequence[Row], int], list[torch.Tensor]]
Decode = Callable[[list[torch.Tensor], int], Sequence[Any]]  # of sdbatch.engine.decode.Decoded
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tested:
    """What tests of one architecture found, by bucket and call size: with LoRAs it runs the same kernels."""

    denoiser: dict[tuple[Bucket, int], str] = field(default_factory=dict)
    vae: dict[tuple[Bucket, int], str] = field(default_factory=dict)
    tails: dict[tuple[Bucket, int], tuple[int, ...]] = field(default_factory=dict)
    noted: set[str] = field(default_factory=set)


class Exactness:
    """Verdicts by bucket and call size: ``exact``, or the cause of different bits.

    ``denoise`` and ``decode`` call the networks; ``row(bucket)`` makes a probe.
    """

    def __init__(
        self, denoise: Call, decode: Decode, row: Callable[[Bucket], Row], dtype: torch.dtype, each_size: bool
    ) -> None:
        self._denoise = denoise
        self._decode = decode
        self._row = row
        self._dtype = dtype
        self.each_size = each_size
        self.tested = Tested()

    def denoiser(self, bucket: Bucket, rows: int) -> str:
        """The denoiser's verdict. Raises RenderError if its prediction is not finite."""
        key = (bucket._replace(weights=""), rows)
        if key not in self.tested.denoiser:
            found = probe(self._denoise, self._row(bucket), rows)
            if not found:
                kind = str(self._dtype).removeprefix("torch.")
                where = f"at {bucket.height}x{bucket.width} latents in {kind}"
                raise RenderError(f"the denoiser's prediction is not finite {where}: {NOT_FINITE[self._dtype]}")
            self.tested.denoiser[key] = found
        return self.tested.denoiser[key]

    def forget(self) -> None:
        """Discard all verdicts, because the networks use other kernels from now on."""
        self.tested.denoiser.clear()
        self.tested.vae.clear()

    def vae(self, bucket: Bucket, batch: int) -> str:
        """The VAE's verdict."""
        key = (bucket._replace(weights=""), batch)
        if key not in self.tested.vae:
            self.tested.vae[key] = probe_vae(self._decode, self._row(bucket).latent, batch)
        return self.tested.vae[key]

    def notes(self, bucket: Bucket, rows: int, batch: int) -> tuple[str, ...]:
        """The warnings for pictures of ``bucket``: why bits are not equal, or that this was not tested."""
        if not self.each_size:
            known = (bucket._replace(weights=""), rows) in self.tested.denoiser
            return () if known and batch == 1 else (_unverified(bucket),)
        found = (("denoiser", self.denoiser(bucket, rows)), ("VAE", self.vae(bucket, batch)))
        size = f"{bucket.height}x{bucket.width} latents"
        notes = tuple(f"not exact at {size}: the {net}'s {text}" for net, text in found if text != "exact")
        for note in notes:
            if note not in self.tested.noted:
                log.warning(note)
            self.tested.noted.add(note)
        return notes


def _unverified(bucket: Bucket) -> str:
    chunks = f", {bucket.chunks} chunks of text" if bucket.chunks > 1 else ""
    return f"{UNVERIFIED} at {bucket.height}x{bucket.width} latents{chunks}"


def probe(call: Call, row: Row, rows: int) -> str:
    """The verdict on calls of ``rows`` rows: compares ``row`` in the first and last slot, with neighbours and padded.

    Empty if the prediction is not finite.
    """
    neighbours = [_neighbour(row, i) for i in range(1, rows)]
    alone = call([row], rows)[0]
    if not bool(torch.isfinite(alone).all()):
        return ""
    first = call([row, *neighbours], rows)[0] if neighbours else alone
    last = call([*neighbours, row], rows)[-1]
    wrong = [name for name, other in (("neighbours", first), ("slot", last)) if not torch.equal(alone, other)]
    return f"bits depend on {' and '.join(wrong)}" if wrong else "exact"


def probe_vae(decode: Decode, latent: torch.Tensor, batch: int) -> str:
    """The verdict on VAE calls of ``batch`` latents: compares ``latent`` alone with ``latent`` in the last slot."""
    if batch == 1:
        return "exact"  # one picture per call
    others = [latent.flip(-1) * (1 + 0.25 * i) for i in range(1, batch)]
    alone, last = decode([latent], batch)[0], decode([*others, latent], batch)[-1]
    equal = torch.equal(torch.as_tensor(alone.take()[0]), torch.as_tensor(last.take()[0]))
    return "exact" if equal else "bits depend on slot or neighbours"


def same_bits(call: Call, row: Row, rows: int, others: Sequence[int]) -> tuple[int, ...]:
    """The call sizes among ``others`` that give ``row`` the same bits as calls of ``rows`` rows, in any slot."""
    true = call([row], rows)[0]
    neighbours = [_neighbour(row, i) for i in range(1, max(others, default=1))]

    def same(n: int) -> bool:
        return torch.equal(true, call([row], n)[0]) and torch.equal(true, call([*neighbours[: n - 1], row], n)[-1])

    return tuple(n for n in others if same(n))


def _neighbour(row: Row, i: int) -> Row:
    """A row with another latent, timestep and text; every second one without control."""
    return Row(
        row.latent.flip(-1) * (1 + 0.25 * i),
        float((row.timestep * 7 + 131 * i) % 999),
        row.text.roll(i, 0) * (1 - 0.1 * (i % 3)),
        row.hints if i % 2 else (),
    )
