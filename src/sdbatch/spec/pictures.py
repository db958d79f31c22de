"""Pictures of users, as values: init images, masks, control images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le

Resize = Literal["fill", "fit", "stretch", "none"]


@dataclass(frozen=True, slots=True)
class InputPicture:
    """A picture file. The digest of its bytes decides; where it is and how large, upright, are known or not."""

    digest: str  # ``files.digest``
    path: str = field(default="", compare=False)
    width: int = field(default=0, compare=False)
    height: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Init:
    """The user's picture that a shot starts from: brought to the shot's size, re-noised by ``strength``, denoised.

    Strength 0 is the picture itself. ``resize``: ``fill`` covers the size and crops, ``fit`` shows the whole picture
    and repeats its edges, ``stretch`` changes its ratio, ``none`` crops or repeats edges without scaling.
    """

    picture: InputPicture
    strength: Annotated[float, Ge(0), Le(1)]
    resize: Resize = "fill"
