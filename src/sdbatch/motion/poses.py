"""Cameras as numbers: the pose at every frame, one camera seen from another, what covers the frame. Pure.

A camera's view of a picture is a similarity, so what lies between two views of one scene is a camera again: warps
compose into one, and a picture is sampled once. ``aspect`` is width / height.
"""

from __future__ import annotations

import math

from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Camera

DIGITS = 10  # of what enters ids: far below a thousandth of a pixel, far above what libm disagrees about


def poses(motion: Motion) -> list[Camera]:
    """The camera over the scene at every frame. Pan is in fractions of what is in view; the scene's unit is the frame
    at zoom 1. ``target`` stays where it is on the screen."""
    zoom, x, y, roll = (motion.curve(name) for name in ("zoom", "x", "y", "roll"))
    (tx, ty) = motion.target
    return [
        Camera(z, tx * (1 - 1 / z) + dx / z, ty * (1 - 1 / z) + dy / z, r)
        for z, dx, dy, r in zip(zoom, x, y, roll, strict=True)
    ]


def seen(view: Camera, by: Camera, aspect: float) -> Camera:
    """The camera that shows the scene as ``view`` does, over a picture that was taken by camera ``by``."""
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
    zoom = float(f"{camera.zoom:.{DIGITS}g}")
    x, y, roll = (round(v, DIGITS) + 0.0 for v in (camera.x, camera.y, camera.roll))
    return Camera(zoom, x, y, roll)


def covers(camera: Camera, aspect: float, margin: float = 0.0) -> bool:
    """Whether a picture fills the frame of ``camera`` over it, ``margin`` (a share of its shorter side) to spare."""
    turn = math.radians(camera.roll)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    across = (cos + sin / aspect) / camera.zoom / 2  # half of what is in view, in fractions of the picture
    down = (sin * aspect + cos) / camera.zoom / 2
    room_x = 0.5 - margin * min(1.0, 1 / aspect) - abs(camera.x)
    room_y = 0.5 - margin * min(1.0, aspect) - abs(camera.y)
    return across <= room_x + 1e-7 and down <= room_y + 1e-7
