"""The renderer interface: a Renderer turns ready shots into pictures.

The torch engine and the fake renderer implement :class:`Renderer`. The runner knows only this module.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, NamedTuple, Protocol

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from sdbatch.spec.canonical import digest
from sdbatch.spec.jobs import Shot
from sdbatch.spec.limits import ROWS, VAE_BATCH
from sdbatch.spec.pictures import InputPicture

Pixels = NDArray[np.uint8]  # (height, width, 3), sRGB
UNVERIFIED = "unverified"  # first word of the warning that equal bits were not tested at a picture's size


class Bucket(NamedTuple):
    """Shots whose rows fit into the same call: latent height and width, the number of text chunks, and the weights.
    Shots that no model changes have 0 chunks.

    ``chain``: for shots that start from another shot's picture, where these have smaller calls than others. ``weights``
    is the ``Model.key`` of the shots' model.
    """

    height: int
    width: int
    chunks: int
    chain: bool = False
    weights: str = ""

    @property
    def area(self) -> int:
        return self.height * self.width


@dataclass(frozen=True, slots=True)
class Profile:
    """How pictures are rendered. Records with equal profile digests promise equal bits.

    The ranges validate profiles that are read from untrusted files.
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
    exact: str = "not tested"  # the self-test's verdict at start-up; verdicts at other sizes are warnings of records
    versions: tuple[
        tuple[str, str], ...
    ] = ()  # (package, version): python, torch, diffusers, ... and the cpu capability

    @property
    def digest(self) -> str:
        fields = asdict(self)
        if not self.chain_rows:  # profiles without chain_rows keep the digest of earlier versions
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

    def differences(self, other: Profile) -> list[tuple[str, str, str]]:
        """(name, our value, its value) of each setting that differs; versions are listed by package."""
        ours, its = self._flat(), other._flat()
        names = dict.fromkeys([*ours, *its])
        return [(k, ours.get(k, "none"), its.get(k, "none")) for k in names if ours.get(k) != its.get(k)]

    def _flat(self) -> dict[str, str]:
        values = self.asdict()
        return {str(k): str(v) for k, v in (values | values.pop("versions")).items()}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Profile:
        """The inverse of ``asdict``. Raises TypeError, KeyError or AttributeError for other data."""
        versions = tuple((str(k), str(v)) for k, v in data["versions"].items())
        return cls(**{**data, "versions": versions})


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished shot."""

    shot: Shot
    pixels: Pixels
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A shot that cannot be rendered, and the reason, as one line for users."""

    shot: Shot
    error: str


class Feed(Protocol):
    """The source of a renderer's shots. After each result of ``render`` more shots may be ready."""

    def take(self, bucket: Bucket | None = None, but: Container[Bucket] = ()) -> Shot | None:
        """The next ready shot of ``bucket``, or with None of any bucket not in ``but``; None if none is ready now."""

    def waiting(self) -> Mapping[Bucket, int]:
        """The number of shots that were not taken yet, ready or not, of each bucket, in the order of their turn."""

    def picture(self, shot_id: str) -> Pixels:
        """The picture (height, width, 3) of an earlier shot, equal to the stored one. Raises RenderError."""

    def input(self, picture: InputPicture) -> Pixels:
        """The pixels (height, width, 3, or 4 with alpha) of a user's picture, read-only. Raises RenderError."""


class Renderer(Protocol):
    """Renders shots. An engine on a GPU and the fake renderer for tests implement it."""

    @property
    def profile(self) -> Profile: ...

    @property
    def about(self) -> str:
        """The first line of a run: device, precision, rows per call, and the sizes at which equal bits were tested."""

    def bucket(self, shot: Shot) -> Bucket: ...

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        """Yields results in the order of completion. Ends when no shot is in flight and the feed has none ready."""

    def close(self) -> None: ...
