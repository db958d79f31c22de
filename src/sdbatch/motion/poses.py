"""Camera arithmetic: the pose at every frame, relative cameras, and whether a picture fills the frame. Pure.

A camera is a similarity transform of a picture, so the transform between two cameras is a camera as well: warps compose
into one, and a picture is sampled once. ``aspect`` is width / height.
"""

from __future__ import annotations

import math

from sdbatch.motion.settings import Motion
from sdbatch.spec.start import Camera

DIGITS = 10  # of cameras in ids: much finer than 0.001 px, much coarser than differences between libm versions


def poses(motion: Motion) -> list[Camera]:
    """The camera over the scene at every frame; its unit of length is the frame at zoom 1.

    The pan schedules are fractions of the view. The point ``target`` stays in place on the screen during a zoom.
    """
    zoom, x, y, roll = (motion.curve(name) for name in ("zoom", "x", "y", "roll"))
    (tx, ty) = motion.target
    return [
        Camera(z, tx * (1 - 1 / z) + dx / z, ty * (1 - 1 / z) + dy / z, r)
        for z, dx, dy, r in zip(zoom, x, y, roll, strict=True)
    ]


def relative(view: Camera, by: Camera, aspect: float) -> Camera:
    """``view`` relative to ``by``: the camera over a picture taken by ``by`` that shows the same as ``view``."""
    turn = math.radians(by.roll)
    cos, sin = math.cos(turn), math.sin(turn)
    dx, dy = view.x - by.x, view.y - by.y
    return rounded(
        Camera(
            view.zoom / by.zoom,
            by.zoom * (dx * cos + dy * sin / aspect),
            by.zoom * (-dx * sin * aspect + dy * cos),
            view.roll - by.roll,
        )
    )


def rounded(camera: Camera) -> Camera:
    """``camera`` rounded to DIGITS, so that ids do not depend on the platform's libm."""
    zoom = float(f"{camera.zoom:.{DIGITS}g}")
    x, y, roll = (round(v, DIGITS) + 0.0 for v in (camera.x, camera.y, camera.roll))
    return Camera(zoom, x, y, roll)


def fills_frame(camera: Camera, aspect: float, margin: float = 0.0) -> bool:
    """Whether a picture fills the frame of ``camera``, without its outer ``margin`` (fraction of the shorter side)."""
    turn = math.radians(camera.roll)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    across = (cos + sin / aspect) / camera.zoom / 2  # half of the view, in fractions of the picture
    down = (sin * aspect + cos) / camera.zoom / 2
    room_x = 0.5 - margin * min(1.0, 1 / aspect) - abs(camera.x)
    room_y = 0.5 - margin * min(1.0, aspect) - abs(camera.y)
    return across <= room_x + 1e-7 and down <= room_y + 1e-7
