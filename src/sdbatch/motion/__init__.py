"""Motion: which shots a video needs and which frames it makes of them. Pure; one file per mode.

A mode is a module with

    USES                        the ``motion:`` keys it takes beyond mode, length and fps
    shots(base, motion)         the shots, parents before children
    frames(base, motion)        every frame as layers that index into the shots
    check(motion)               optional: yields ``fields.wrong`` for what does not hold between its keys
    DEPTHS, CLOSES              optional: keys that go by depth instead of time; keys whose loop it checks itself

Adding one: write the file, name it in ``MODES``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from types import ModuleType
from typing import Any, TypeVar

from sdbatch.motion import feedback, prompt, still, walk, zoom
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import SPEC_VERSION, Encoding, Frame, Job, Shot, Video, digest, spec

T = TypeVar("T")
MODES: dict[str, ModuleType] = {"still": still, "prompt": prompt, "walk": walk, "zoom": zoom, "feedback": feedback}


def make(
    base: Shot, motion: Motion, encoding: Encoding, slug: str = "", labels: tuple[tuple[str, str], ...] = ()
) -> Job:
    """The job of ``base`` under ``motion``: a picture (mode still) or a video."""
    job = Job("", base, None if motion.mode == "still" else Video(motion, encoding), slug, labels)
    return replace(job, id=identify(job))


def identify(job: Job) -> str:
    """The id of ``job`` (whatever id it holds): of its shot, or of all that makes the video."""
    return job.shot.id if job.video is None else digest(_video_spec(job.shot, job.video))


def shots(job: Job) -> tuple[Shot, ...]:
    """The shots that ``job`` needs, parents before children."""
    if job.video is None:
        return (job.shot,)
    return tuple(MODES[job.video.motion.mode].shots(job.shot, job.video.motion))


def frames(job: Job) -> Iterator[Frame]:
    """The frames of a video job, in order; layers index into ``shots(job)``."""
    if job.video is not None:
        yield from looped(list(MODES[job.video.motion.mode].frames(job.shot, job.video.motion)), job.video.motion)


def count(job: Job) -> int:
    """How many frames a video job is composed of; 0 of a picture."""
    return 0 if job.video is None else len(looped(list(range(job.video.motion.count)), job.video.motion))


def played(job: Job) -> tuple[int, Fraction]:
    """How many frames a video's file holds and how many of them it shows a second: ``interpolate`` puts more between
    those of ``frames`` (in a loop also between the last and the first)."""
    if job.video is None:
        return 0, Fraction(0)
    times, loop = job.video.encoding.interpolate, job.video.motion.loop
    return count(job) * times - (0 if loop else times - 1), job.video.motion.fps * times


def looped(every: list[T], motion: Motion) -> list[T]:
    """Without the last frame where that is the first again; and back, without showing either end twice."""
    if motion.loop == "pingpong":
        return every + every[-2:0:-1]
    return every[:-1] if motion.loop else every


def job_spec(job: Job) -> dict[str, Any]:
    """The whole job as JSON-able data: enough to make the file again."""
    if job.video is None:
        return {"shot": job.shot.spec()}
    return {
        "shot": job.shot.spec(),
        "motion": job.video.motion.model_dump(mode="json", exclude_defaults=True),
        "encoding": spec(job.video.encoding),
    }


def _video_spec(base: Shot, video: Video) -> dict[str, Any]:
    mode = MODES[video.motion.mode]
    return {
        "v": SPEC_VERSION,
        "film": video.motion.mode,
        "shots": [s.id for s in mode.shots(base, video.motion)],
        "frames": [[spec(layer) for layer in f] for f in looped(list(mode.frames(base, video.motion)), video.motion)],
        "fps": str(video.motion.fps),
        "encoding": spec(video.encoding),
    }
