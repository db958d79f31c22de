"""What follows the first pass over a picture: it is enlarged, and denoised again or not. Values."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Annotated

from annotated_types import Ge, Le

from sdbatch.spec.limits import PASS_SCALE, STEPS

LANCZOS, LATENT = "lanczos", "latent"


def evaluated(steps: int, strength: float) -> int:
    """How many of ``steps`` image to image with ``strength`` in (0, 1] computes: one at least."""
    return max(1, min(steps, int(steps * strength + 1e-9)))


@dataclass(frozen=True, slots=True)
class Upscaler:
    """How a picture is enlarged: ``lanczos``, ``latent`` (bicubic, of the encoded picture), or a network, by the digest
    of its file. ``name`` is for people, and not part of ids."""

    method: str = LANCZOS
    name: str = field(default="", compare=False)

    @property
    def is_network(self) -> bool:
        return self.method not in (LANCZOS, LATENT)

    def __str__(self) -> str:
        return self.name or self.method


@dataclass(frozen=True, slots=True)
class Pass:
    """The picture ``scale`` times as large, re-noised by ``strength`` and denoised. Strength 0 only enlarges it: then
    nothing is denoised, and no VAE is used.

    ``steps`` are those that are computed; 0: ``strength`` times the steps of the first pass. The ranges validate passes
    that are read from untrusted files.
    """

    scale: Annotated[float, Ge(PASS_SCALE.low), Le(PASS_SCALE.high)]
    strength: Annotated[float, Ge(0), Le(1)] = 0.0
    steps: Annotated[int, Ge(0), Le(STEPS.high)] = 0
    upscaler: Upscaler = Upscaler()

    def schedule(self, first: int) -> int:
        """The steps of the sampler's whole schedule, of which ``strength`` leaves ``steps``."""
        return ceil(round(self.steps / self.strength, 6)) if self.steps else first

    def enlarged(self, side: int) -> int:
        """A side of the larger picture."""
        return round(side * self.scale)
