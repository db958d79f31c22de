"""One model ready to render: its networks, wrapped with the settings of the run, and what was found out about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch

from sdbatch.engine import policy
from sdbatch.engine.attention import Order, use_xformers
from sdbatch.engine.control import ControlNet, Hint, scales
from sdbatch.engine.decode import Vae
from sdbatch.engine.denoise import Row
from sdbatch.engine.denoiser import Denoiser
from sdbatch.engine.device import Device
from sdbatch.engine.graphs import CudaRecorder
from sdbatch.engine.load import safety_checker
from sdbatch.engine.norms import applies, norms_in_float32
from sdbatch.engine.safety import Safety
from sdbatch.engine.selftest import Exactness, same_bits
from sdbatch.engine.stats import Stats
from sdbatch.engine.text import Texts
from sdbatch.models.source import Source
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.spec.renderer import Bucket

vocabulary = lru_cache(maxsize=8)(Vocabulary.load)


@dataclass(frozen=True, slots=True)
class Settings:
    """What all models of a run have in common. ``each_size``: every bucket is probed at its first use."""

    device: Device
    stats: Stats
    order: Order
    compile: bool
    chain_rows: int
    each_size: bool

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    def denoiser(self, module: Any) -> Denoiser:
        if self.device.attention == "xformers":
            use_xformers(module)
        made = Denoiser(self._ready(module), self.device.where, self.stats, self.order)
        if self.compile:
            made.compile()
        if self.cuda:
            made.graph(self.chain_rows, CudaRecorder())
        return made

    def controlnet(self, module: Any) -> ControlNet:
        if self.device.attention == "xformers":
            use_xformers(module)
        made = ControlNet(self._ready(module), self.device.where)
        if self.compile:
            made.compile()
        return made

    def vae(self, module: Any) -> Vae:
        made = Vae(self._ready(module), self.device.where, self.stats, self.order)
        if self.compile:
            made.compile()
        return made

    def texts(self, module: Any, source: Source) -> Texts:
        made = Texts(module, vocabulary(source.vocabulary), source.chunk, self.device.where, self.stats)
        made.files = source.adapters
        if self.cuda:
            made.graph(CudaRecorder())
        return made

    def _ready(self, module: Any) -> Any:
        if applies(self.device.where, self.device.dtype):
            norms_in_float32(module)
        return module


@dataclass(slots=True, eq=False)
class Loaded:
    """The networks of ``source`` in memory. Models that differ in one network share the others."""

    source: Source
    settings: Settings
    texts: Texts
    denoiser: Denoiser
    vae: Vae
    controlnets: tuple[ControlNet, ...] = ()
    safety: Safety | None = None
    size: int = field(init=False)  # parameters of the denoiser
    inpaints: bool = field(init=False)  # it sees a mask and what is kept
    exactness: Exactness = field(init=False)
    uncounted: Callable[..., list[torch.Tensor]] = field(init=False)
    _full_rows: int = 0

    def __post_init__(self) -> None:
        device = self.settings.device
        if self.controlnets:
            self.denoiser = self.denoiser.controlled(self.controlnets)
        if (folder := safety_checker(self.source)) is not None:
            self.safety = Safety(folder, device.where, device.dtype)
        self.size, self.inpaints = self.denoiser.size, self.denoiser.inpaints
        self.uncounted = partial(self.denoiser, counted=False)
        decode = partial(self.vae.decode, counted=False)
        self.exactness = Exactness(self.uncounted, decode, self.probe_row, device.dtype, self.settings.each_size)

    @property
    def native(self) -> int:
        """The area of the native square, in latent cells."""
        return (self.source.native // self.source.model.scale) ** 2

    @property
    def small(self) -> Bucket:
        """The bucket of the self-test: small, or of the native size if every shape is compiled."""
        side = self.source.native // self.source.model.scale
        if not self.settings.compile:
            side = min(side, 16 if self.settings.cuda or self.size < policy.SMALL else 8)
        return Bucket(side, side, 1, weights=self.source.key)

    @property
    def fast_calls(self) -> bool:
        """Whether a test of smaller calls is cheap."""
        return self.settings.device.type == "cpu" and self.size < policy.SMALL

    def verdict(self, rows: int) -> str:
        """The self-test's verdict at a small size, on calls of ``rows`` rows."""
        if self.fast_calls and not self.settings.chain_rows and rows != self._full_rows:  # ``tails`` may be asked for
            self.denoiser.full_rows(rows)
            self._full_rows = rows
        return self.exactness.denoiser(self.small, rows)

    def tails(self, bucket: Bucket, rows: int) -> tuple[int, ...]:
        """Smaller call sizes that give the same bits in this bucket; tested, if a test is fast."""
        smaller = tuple(n for n in policy.TAILS if n < rows)
        if not (self.fast_calls and smaller):
            return ()
        found, key = self.exactness.tested.tails, (bucket._replace(weights=""), rows)
        if key not in found:
            found[key] = same_bits(self.uncounted, self.probe_row(bucket), rows, smaller)
        return found[key]

    def probe_row(self, bucket: Bucket) -> Row:
        """A row in the shape of ``bucket``, as a representative of all others."""
        shape = (self.source.model.channels, bucket.height, bucket.width)
        latent = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        text = self.texts.embedding("a photo of a cat").repeat(bucket.chunks, 1)
        return Row(latent.to(self.settings.device.where), 500.0, text, tuple(self._probe_hints(bucket)))

    def _probe_hints(self, bucket: Bucket) -> Iterator[Hint]:
        scale = self.source.model.scale
        noise = np.random.default_rng(0)
        for net in self.controlnets:
            pixels = noise.integers(0, 256, (bucket.height * scale, bucket.width * scale, 3), np.uint8)
            yield Hint(net.embed(pixels), scales(1.0, False, net.residuals))
