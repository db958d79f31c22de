"""Films that follow a user's video: they have its length and rate, and a mode that can follow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from sdbatch.config.film_length import UNKNOWN_LENGTH
from sdbatch.config.validation import check
from sdbatch.errors import Problem
from sdbatch.motion.keys import FRAMES
from sdbatch.motion.settings import Motion
from sdbatch.plan import inits
from sdbatch.spec.control import Control
from sdbatch.spec.pictures import Clip, Init, Sides

MODES = ("feedback", "prompt", "walk")  # that can follow a video
CONTROL = "control.video"


def of(init: Init | None, controls: Iterable[Control]) -> Clip | None:
    """The length of the first video that a job follows."""
    pictures = [*([init.picture] if init else []), *(control.picture for control in controls)]
    return next((picture.clip for picture in pictures if picture and picture.clip), None)


def followed(motion: Motion, changes: Mapping[str, Any], clip: Clip | None) -> Motion:
    """``motion`` with ``changes``, and where they do not say them, the rate and the length of ``clip``.

    Raises ConfigError.
    """
    data = motion.model_dump(mode="json", exclude_unset=True) | dict(changes)
    if data.get("frames") == UNKNOWN_LENGTH:
        del data["frames"]
    return check(Motion, data | (_length(data, clip) if clip else {}), "motion")


def _length(data: Mapping[str, Any], clip: Clip) -> dict[str, Any]:
    rate = min(max(Fraction(clip.rate).limit_denominator(1001), Fraction(1)), Fraction(240))
    found: dict[str, Any] = {} if "fps" in data else {"fps": str(rate)}
    if data.get("seconds") is None and data.get("frames") is None:
        frames = int(clip.frames / clip.rate * Fraction(str(data.get("fps", rate))) + 1e-6)
        found["frames"] = min(max(frames, FRAMES[0]), FRAMES[1])
    return found


def misfits(mode: str, init: Init | None, controls: Sequence[Control]) -> list[Problem]:
    """The mistake of a mode that cannot follow a video, or of a mask that would be used for one frame only."""
    followed = init is not None and init.picture.clip is not None
    used = [inits.VIDEO] if followed else []
    used += [CONTROL for control in controls if control.picture and control.picture.clip]
    if used and mode not in MODES:
        meant = f"write {', '.join(MODES[:-1])} or {MODES[-1]}"
        return [Problem("motion.mode", f"{mode} cannot follow {used[0]}", meant)]
    if init is not None and init.mask is not None and followed and mode == "feedback":
        key = "mask.outpaint" if init.extend != Sides() else inits.MASK
        text = "applies only to the first frame of a film that follows init.video in mode feedback"
        return [Problem(key, text, "write motion.mode: prompt, where it applies to every frame")]
    return []
