"""The path of the camera of a film, for the preview that the page plays without a model. Does not import torch."""

from __future__ import annotations

import math
from typing import Any

from sdbatch.motion.schedule import points
from sdbatch.motion.settings import Motion
from sdbatch.plan.axes import axes
from sdbatch.plan.combination import make
from sdbatch.plan.resolve import resolve
from sdbatch.preview.camera import CAMERA, camera_motion_of
from sdbatch.studio.workspace import Draft

MAX_POINTS = 2000


def path(draft: Draft) -> dict[str, Any]:
    """The values of the camera at every frame of the first film of ``draft``. Raises ConfigError."""
    resolved = resolve(draft.experiment)
    found = axes(resolved)
    motion = make(resolved, found, [0] * len(found)).motion
    seen = camera_motion_of(motion)
    step = math.ceil(seen.count / MAX_POINTS)
    size = resolved.canvas[0][1]
    return {
        "frames": seen.count,
        "fps": float(seen.fps),
        "loop": motion.loop,
        "width": size.width,
        "height": size.height,
        "step": step,
        "target": list(motion.target),
        "curves": {name: [round(v, 6) for v in seen.curve(name)[::step]] for name in CAMERA},
        "keys": {name: _keys(motion, name) for name in CAMERA},
    }


def _keys(motion: Motion, name: str) -> list[list[float]]:
    """[frame, value] of the keyframes, if the schedule has some."""
    schedule = getattr(motion, name)
    if not isinstance(schedule, tuple):
        return []
    return [[round(frame, 3), key.value] for frame, key in points(schedule, motion.clock)]
