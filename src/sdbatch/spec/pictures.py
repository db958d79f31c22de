"""Pictures of users, as values: init images, masks, control images."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InputPicture:
    """A picture file. The digest of its bytes decides; where it is and how large, upright, are known or not."""

    digest: str  # ``files.digest``
    path: str = field(default="", compare=False)
    width: int = field(default=0, compare=False)
    height: int = field(default=0, compare=False)
