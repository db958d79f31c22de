"""Motion: the shots that a video needs, and how its frames are composed of them. Pure; one module per mode.

Does not depend on files, pixels, models or plans. To add a mode, write a module with a ``mode.Mode`` and register it in
``MODES`` below (CONTRIBUTING.md has an example).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from sdbatch.motion import feedback, prompt, still, walk, zoom
from sdbatch.motion.mode import MODES, Mode
from sdbatch.motion.passes import passed
from sdbatch.motion.settings import Motion
from sdbatch.motion.timeline import looped, timeline
from sdbatch.spec.canonical import digest, spec
from sdbatch.spec.inputs import first_pass, names
from sdbatch.spec.jobs import SPEC_VERSION, Encoding, Frame, Job, Shot, Video
from sdbatch.spec.passes import Pass

__all__ = ["MODES", "Mode", "count", "frames", "identify", "job_spec", "looped", "make", "played", "shot_ids", "shots"]

MODES |= {
    "still": still.MODE,
    "prompt": prompt.MODE,
    "walk": walk.MODE,
    "zoom": zoom.MODE,
    "feedback": feedback.MODE,
}


def make(  # noqa: PLR0913, PLR0917  (the parts of a job)
    base: Shot,
    motion: Motion,
    encoding: Encoding,
    slug: str = "",
    labels: tuple[tuple[str, str], ...] = (),
    passes: tuple[Pass, ...] = (),
) -> Job:
    """The job that renders ``base`` with ``motion``: a picture (mode still) or a video. Its id is set."""
    video = None if motion.mode == "still" else Video(motion, encoding)
    job = Job("", base, video, slug, labels, passes=passes)
    return replace(job, id=identify(job))


def identify(job: Job) -> str:
    """The id that ``job`` should have: its last shot's, or for a video the digest of shots, frames, fps and encoding.

    ``job.id`` is not read.
    """
    return shot_ids(job)[-1] if job.video is None else digest(_video_spec(job, job.video))


def shots(job: Job) -> tuple[Shot, ...]:
    """The shots that ``job`` needs, parents before children."""
    if job.video is None:
        return (first_pass(job.shot), *passed(job.shot, job.passes))
    return timeline(job.shot, job.video.motion, job.passes).shots


def shot_ids(job: Job) -> tuple[str, ...]:
    """The ids of ``shots(job)``, in the same order."""
    if job.video is None:
        return tuple(shot.id for shot in shots(job))
    return timeline(job.shot, job.video.motion, job.passes).ids


def frames(job: Job) -> tuple[Frame, ...]:
    """The frames of a video job, in the order shown; layers index into ``shots(job)``. A picture has none."""
    return () if job.video is None else timeline(job.shot, job.video.motion, job.passes).frames


def count(job: Job) -> int:
    """The number of frames that a video job composes, before interpolation; 0 for a picture."""
    return 0 if job.video is None else len(looped(list(range(job.video.motion.count)), job.video.motion))


def played(job: Job) -> tuple[int, Fraction]:
    """(frames, frames per second) of a video's file. ``interpolate`` adds frames between those of ``frames`` (in a loop
    also between the last and the first)."""
    if job.video is None:
        return 0, Fraction(0)
    times, loop = job.video.encoding.interpolate, job.video.motion.loop
    return count(job) * times - (0 if loop else times - 1), job.video.motion.fps * times


def job_spec(job: Job) -> dict[str, Any]:
    """Everything that decides the job's file, as JSON data. ``plan.parse.job`` is the inverse."""
    about = {"shot": job.shot.spec(), **_names(job)} | _passes(job)
    if job.video is None:
        return about
    return {
        **about,
        "motion": job.video.motion.model_dump(mode="json", exclude_defaults=True),
        "encoding": spec(job.video.encoding),
    }


def _passes(job: Job) -> dict[str, Any]:
    return {"passes": [spec(each) for each in job.passes]} if job.passes else {}


def _names(job: Job) -> dict[str, Any]:
    """Names and hashes of LoRAs, textual inversions, ControlNets, upscalers, model and pictures, by digest: they decide
    no pixels."""
    shot, model = job.shot, job.shot.model
    adapters = {model.weights: {"name": model.name, "hash": model.hash}} if model.name else {}
    adapters |= {lora.file: {"name": lora.name, "hash": lora.hash} for lora in shot.model.loras}
    adapters |= {e.file: {"name": e.name, "hash": e.hash} for e in shot.embeddings}
    adapters |= {control.net: {"name": control.name, "hash": control.hash} for control in shot.controls}
    used = [each.upscaler for each in job.passes if each.upscaler.is_network]
    adapters |= {upscaler.method: {"name": upscaler.name, "hash": ""} for upscaler in used}
    return {key: found for key, found in (("adapters", adapters), ("pictures", names(shot))) if found}


def _video_spec(job: Job, video: Video) -> dict[str, Any]:
    computed = timeline(job.shot, video.motion, job.passes)
    return {
        "v": SPEC_VERSION,
        "film": video.motion.mode,
        "shots": list(computed.ids),
        "frames": [[spec(layer) for layer in frame] for frame in computed.frames],
        "fps": str(video.motion.fps),
        "encoding": spec(video.encoding),
    }
