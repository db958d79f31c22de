"""What a shot starts from, if that is the picture of an earlier shot, as values."""

from __future__ import annotations

from dataclasses import dataclass

from sdbatch.spec.passes import Upscaler
from sdbatch.spec.pictures import Follow, Init


@dataclass(frozen=True, slots=True)
class Camera:
    """A view of a picture: ``zoom`` > 0 (2.0 shows the central half), ``x`` and ``y`` in fractions of the frame (right
    and down are positive), ``roll`` in degrees clockwise."""

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0


WHOLE = Camera()


@dataclass(frozen=True, slots=True)
class Overlay:
    """The picture of the earlier shot ``shot``, seen through ``camera`` and laid over another picture."""

    shot: str
    camera: Camera


@dataclass(frozen=True, slots=True)
class Start:
    """The init image of a shot, made of an earlier shot's stored picture.

    The picture of shot ``parent`` is warped by ``camera``, colour-matched to shot ``colours`` (if given), re-noised by
    ``strength`` in (0, 1] and denoised. With ``paint`` (outpainting) only the area outside the parent's frame and a
    feathered edge is painted; the inside is kept. With ``inlay`` an overlay covers part of the parent's picture and is
    kept; only the area around it is re-noised. With ``upscaler`` the parent's picture is enlarged instead of warped;
    with strength 0 that is all. With ``follow`` a frame of a user's video is mixed into it. With ``within`` nothing
    changes but the part that its mask paints.
    """

    parent: str
    strength: float
    camera: Camera = WHOLE
    paint: bool = False
    colours: str = ""
    inlay: Overlay | None = None
    upscaler: Upscaler | None = None
    follow: Follow | None = None
    within: Init | None = None
