"""Do bits depend on batch composition here? A probe row is sent through the denoiser in several slots, among other neighbours.

The verdict goes into the profile: a device that fails still renders, and every record says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from sdbatch.engine.denoise import Row

QUICK = 0.2  # seconds
Call = Callable[[Sequence[Row], int], list[torch.Tensor]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``text`` is ``exact`` or what differs; ``equal`` lists other row counts found to give the same bits."""

    text: str
    equal: tuple[int, ...] = ()


def probe(call: Call, row: Row, rows: int, others: Sequence[int] = ()) -> Verdict:
    """Compare the prediction for ``row`` in a call of ``rows``: first and last slot, two companies, padded or not.

    ``others``: further row counts to compare where a call is quick; they inform and decide nothing.
    """
    neighbours = [_neighbour(row, i) for i in range(1, rows)]
    start = perf_counter()
    alone = call([row], rows)[0]
    others = others if perf_counter() - start < QUICK else ()
    first = call([row, *neighbours], rows)[0]
    last = call([*neighbours, row], rows)[-1]
    if not bool(torch.isfinite(alone).all()):
        return Verdict("the self-test's prediction is not finite")
    wrong = [name for name, other in (("neighbours", first), ("slot", last)) if not torch.equal(alone, other)]
    if wrong:
        return Verdict(f"bits depend on {' and '.join(wrong)}")
    return Verdict("exact", tuple(n for n in others if torch.equal(alone, call([row], n)[0])))


def same_bits(call: Call, row: Row, rows: int, others: Sequence[int]) -> tuple[int, ...]:
    """Those of ``others`` (numbers of rows per call) that give ``row`` the bits of a call of ``rows``, in any slot."""
    true = call([row], rows)[0]
    company = [_neighbour(row, i) for i in range(1, max(others, default=1))]

    def same(n: int) -> bool:
        return torch.equal(true, call([row], n)[0]) and torch.equal(true, call([*company[: n - 1], row], n)[-1])

    return tuple(n for n in others if same(n))


def _neighbour(row: Row, i: int) -> Row:
    """Another row: other latent, other time, other text."""
    return Row(
        row.latent.flip(-1) * (1 + 0.25 * i),
        float((row.timestep * 7 + 131 * i) % 999),
        row.text.roll(i, 0) * (1 - 0.1 * (i % 3)),
    )
