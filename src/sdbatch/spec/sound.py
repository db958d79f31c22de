"""The sound of a video, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound file. Its digest decides; where the file is, how long it is and its beats (seconds) are known or not."""

    digest: str = ""
    path: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)
    beats: tuple[float, ...] = field(default=(), compare=False)
