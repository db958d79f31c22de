"""Films that follow a user's video: they have its length and rate, and a mode that can follow it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.validation import UNKNOWN_LENGTH, check
from sdbatch.errors import Problem
from sdbatch.motion.keys import FRAMES
from sdbatch.motion.settings import Motion
from sdbatch.plan.control_axis import ControlChoice
from sdbatch.spec.pictures import Clip, Init, InputPicture, Sides

MODES = ("feedback", "prompt", "walk")  # that can follow a video
INIT, CONTROL = "init.video", "control.video"


def of(inits: Iterable[InputPicture | None], controls: Iterable[ControlChoice]) -> Clip | None:
    """The length of the first video among them."""
    pictures = [*inits, *(control.picture for choice in controls for control in choice)]
    return next((picture.clip for picture in pictures if picture and picture.clip), None)


def followed(experiment: Experiment, clip: Clip | None) -> Experiment:
    """``experiment`` with the rate and length of ``clip``, unless it has its own. Raises ConfigError."""
    motion = experiment.motion
    if clip is None:
        return experiment
    changes: dict[str, Any] = {}
    fps = motion.fps
    if "fps" not in motion.model_fields_set:
        fps = min(max(Fraction(clip.rate).limit_denominator(1001), Fraction(1)), Fraction(240))
        changes["fps"] = str(fps)
    if motion.seconds is None and motion.frames in (None, UNKNOWN_LENGTH):
        frames = int(clip.frames / clip.rate * fps + 1e-6)
        changes["frames"] = min(max(frames, FRAMES[0]), FRAMES[1])
    if not changes:
        return experiment
    data = motion.model_dump(mode="json", exclude_unset=True) | changes
    return experiment.model_copy(update={"motion": check(Motion, data, "motion")})


def misfits(mode: str, init: Init | None, controls: Sequence[Any]) -> list[Problem]:
    """The mistake of a mode that cannot follow a video, or of a mask that would be used for one frame only."""
    followed = init is not None and init.picture.clip is not None
    used = [INIT] if followed else []
    used += [CONTROL for control in controls if control.picture.clip]
    if used and mode not in MODES:
        meant = f"write {', '.join(MODES[:-1])} or {MODES[-1]}"
        return [Problem("motion.mode", f"{mode} cannot follow {used[0]}", meant)]
    if init is not None and init.mask is not None and followed and mode == "feedback":
        key = "mask.outpaint" if init.extend != Sides() else "mask.image"
        text = "applies only to the first frame of a film that follows init.video in mode feedback"
        return [Problem(key, text, "write motion.mode: prompt, where it applies to every frame")]
    return []
