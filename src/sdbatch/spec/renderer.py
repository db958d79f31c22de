"""The seam between what is rendered and how: a Renderer turns ready shots into pictures.

The torch engine and the fake renderer both implement :class:`Renderer`; the runner knows only this file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sdbatch.spec.jobs import Shot, digest

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
    """How pictures are rendered. Two records with one profile digest promise equal bits."""

    renderer: str  # "torch" or "fake"
    device: str = "cpu"  # cpu, cuda, mps
    device_name: str = ""
    dtype: str = "float32"
    rows: int = 4  # denoiser rows per call at the model's native area
    chain_rows: int = 0  # per call, and one picture per VAE call, for shots that start from another's; 0: as the rest
    vae_batch: int = 1
    threads: int = 1
    attention: str = "sdpa"
    compile: bool = False
    exact: str = "not tested"  # the self-test's verdict on this device
    versions: tuple[
        tuple[str, str], ...
    ] = ()  # (package, version): python, torch, diffusers, ... and the cpu capability

    @property
    def digest(self) -> str:
        fields = asdict(self)
        if not self.chain_rows:  # as before there was this field
            del fields["chain_rows"]
        return "p" + digest(fields)[1:]

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

    def bucket(self, shot: Shot) -> Bucket: ...

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        """Results in the order they get done. Ends when nothing is in flight and the feed has nothing ready."""

    def close(self) -> None: ...
