"""The seam between what is rendered and how: a Renderer turns ready shots into pictures.

The torch engine and the fake renderer both implement :class:`Renderer`; the runner knows only this file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, NamedTuple, Protocol

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from sdbatch.spec.jobs import Shot, digest
from sdbatch.spec.limits import ROWS, VAE_BATCH

Pixels = NDArray[np.uint8]  # (height, width, 3), sRGB


class Bucket(NamedTuple):
    """Rows of one shape: latent height and width, and text chunks.

    ``chain``: of shots that start from another's picture, where those have smaller calls than the rest.
    """

    height: int
    width: int
    chunks: int
    chain: bool = False

    @property
    def area(self) -> int:
        return self.height * self.width


@dataclass(frozen=True, slots=True)
class Profile:
    """How pictures are rendered. Two records with one profile digest promise equal bits.

    The ranges are for profiles that files of unknown origin say.
    """

    renderer: str  # "torch" or "fake"
    device: str = "cpu"  # cpu, cuda, mps
    device_name: str = ""
    dtype: str = "float32"
    rows: Annotated[int, Ge(ROWS.low), Le(ROWS.high)] = 4  # denoiser rows per call at the model's native area
    chain_rows: Annotated[int, Ge(0), Le(ROWS.high)] = (
        0  # rows per call for shots that start from a picture; 0: ``rows``
    )
    vae_batch: Annotated[int, Ge(VAE_BATCH.low), Le(VAE_BATCH.high)] = 1
    threads: Annotated[int, Ge(1), Le(4096)] = 1
    attention: str = "sdpa"
    compile: bool = False
    exact: str = "not tested"  # the self-test's verdict at start-up; what a size adds to it is in records' warnings
    versions: tuple[
        tuple[str, str], ...
    ] = ()  # (package, version): python, torch, diffusers, ... and the cpu capability

    @property
    def digest(self) -> str:
        fields = asdict(self)
        if not self.chain_rows:  # a profile without them keeps its digest
            del fields["chain_rows"]
        return digest(fields, "p")

    def line(self) -> str:
        """For users: ``cpu AMD EPYC 7B13, float32, 16 rows per call, sdpa attention``."""
        where = f"{self.device} {self.device_name}".strip()
        rows = f"{self.rows} row{'s' * (self.rows != 1)} per call"
        chains = [f"{self.chain_rows} for chains"] if self.chain_rows else []
        parts = [where, self.dtype, rows, *chains, f"{self.attention} attention", *["compiled"] * self.compile]
        return ", ".join(parts)

    def asdict(self) -> dict[str, Any]:
        return {**asdict(self), "versions": dict(self.versions)}


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished shot."""

    shot: Shot
    pixels: Pixels
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A shot that cannot be made, and why (one line for users)."""

    shot: Shot
    error: str


class Feed(Protocol):
    """Where a renderer takes its work from. Between two results of ``render`` more may have become ready."""

    def take(self, bucket: Bucket | None = None, but: Collection[Bucket] = ()) -> Shot | None:
        """The next ready shot of ``bucket``, else of the first bucket not among ``but``; None if there is none now."""

    def picture(self, shot_id: str) -> Pixels:
        """The stored picture of an earlier shot (what a chain consumes is exactly what was stored)."""


class Renderer(Protocol):
    @property
    def profile(self) -> Profile: ...

    @property
    def about(self) -> str:
        """What people are told when a run begins: device, precision, rows per call, and which bits are proved equal."""

    def bucket(self, shot: Shot) -> Bucket: ...

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        """Results in the order they get done. Ends when nothing is in flight and the feed has nothing ready."""

    def close(self) -> None: ...
