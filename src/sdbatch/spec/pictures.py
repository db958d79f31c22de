"""Pictures of users, as values: init images, masks, control images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Annotated, Literal

from annotated_types import Ge, Le, Lt

from sdbatch.spec.canvas import SIDE
from sdbatch.spec.limits import CLIP_FRAMES, MASK_BLUR

Resize = Literal["fill", "fit", "stretch", "none"]
Content = Literal["original", "nothing", "fill"]
Side = Annotated[int, Ge(0), Le(SIDE.stop - 1)]


@dataclass(frozen=True, slots=True)
class Clip:
    """How long a video is: ``frames`` at a constant ``rate`` (per second).

    ``pictures``: if its frames are picture files, their digests, in order; ``paths`` says where they are.
    """

    frames: Annotated[int, Ge(1), Le(CLIP_FRAMES)]
    rate: Annotated[float, Ge(0.01), Le(1000)]
    pictures: tuple[str, ...] = ()
    paths: tuple[str, ...] = field(default=(), compare=False)

    def picture(self, n: int, whole: InputPicture) -> InputPicture:
        """The file of frame ``n``, at the end the last one, of the video ``whole``."""
        n = min(n, len(self.pictures) - 1)
        return InputPicture(self.pictures[n], self.paths[n] if self.paths else "", whole.width, whole.height)


@dataclass(frozen=True, slots=True)
class InputPicture:
    """A picture file, or a frame of a video file. The digest of its bytes decides; where it is and how large, upright,
    are known or not.

    ``title``: its name among those of an axis. ``frame``: which one of a video file, at its constant rate. With
    ``clip`` it stands for a whole video, of which every shot of a film gets a frame; if that is a folder of pictures,
    it has the digest of the first.
    """

    digest: str  # ``files.digest``
    path: str = field(default="", compare=False)
    width: int = field(default=0, compare=False)
    height: int = field(default=0, compare=False)
    title: str = field(default="", compare=False)
    frame: Annotated[int, Ge(0), Lt(CLIP_FRAMES)] | None = None
    clip: Clip | None = None

    def __str__(self) -> str:
        return self.title or PurePath(self.path).stem

    def at(self, seconds: float) -> InputPicture:
        """Of a video the frame that is shown after ``seconds``, at the end the last one; of a picture itself."""
        if self.clip is None:
            return self
        frame = min(self.clip.frames - 1, int(seconds * self.clip.rate + 1e-3))
        return self.clip.picture(frame, self) if self.clip.pictures else replace(self, frame=frame, clip=None)

    @property
    def files(self) -> tuple[InputPicture, ...]:
        """The pictures of a folder that is a video; else none."""
        clip = self.clip
        return () if clip is None else tuple(clip.picture(n, self) for n in range(len(clip.pictures)))


@dataclass(frozen=True, slots=True)
class Follow:
    """A frame of a video that is mixed into the picture that a shot starts from, with ``share``."""

    picture: InputPicture
    share: Annotated[float, Ge(0), Le(1)]
    resize: Resize = "fill"


@dataclass(frozen=True, slots=True)
class Sides:
    """Pixels that are added to a picture at its sides."""

    left: Side = 0
    top: Side = 0
    right: Side = 0
    bottom: Side = 0


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a shot, in pixels, and the size at which it is rendered instead of the whole.

    ``padding``: how much of it lies around the mask.
    """

    left: Side
    top: Side
    right: Side
    bottom: Side
    width: Annotated[int, Ge(SIDE.start), Le(SIDE.stop - 1)]
    height: Annotated[int, Ge(SIDE.start), Le(SIDE.stop - 1)]
    padding: Side = 0


@dataclass(frozen=True, slots=True)
class Mask:
    """Where an init picture is repainted: the white parts of ``picture``, of the same size, or the black ones with
    ``invert``; without a picture, the parts of the init picture that are clear.

    ``blur``: standard deviation, in pixels, of the soft edge around it; beyond the edge no bit of the picture changes.
    ``content``: what painting begins with there: the original's noised pixels, ``nothing`` of them, or colours from
    around (``fill``).
    ``area``: the only part that is rendered, None: all.
    """

    picture: InputPicture | None = None
    blur: Annotated[float, Ge(0), Le(MASK_BLUR)] = 4.0
    invert: bool = False
    content: Content = "original"
    area: Area | None = None


@dataclass(frozen=True, slots=True)
class Init:
    """The user's picture that a shot starts from: brought to the shot's size, re-noised by ``strength``, denoised.

    Strength 0 is the picture itself. ``resize``: ``fill`` covers the size and crops, ``fit`` shows the whole picture
    and repeats its edges, ``stretch`` changes its ratio, ``none`` crops or repeats edges without scaling. ``extend`` is
    added to the picture before that, and painted. Without a ``mask`` all of the picture is.
    """

    picture: InputPicture
    strength: Annotated[float, Ge(0), Le(1)]
    resize: Resize = "fill"
    extend: Sides = Sides()
    mask: Mask | None = None
