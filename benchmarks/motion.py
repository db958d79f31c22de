"""Videos as they come out of the encoder: the camera found in them against the schedule, jitter, flicker, detail, cost.

Every mode makes the same video (one prompt, a four-fold zoom in four seconds); beside them the same zoom by integer
crops of one picture, the thing to beat. ``card``: the camera over a test card of 512², no model.

    python -m benchmarks motion [--quick] [--model tiny|fake]        (needs the ``bench`` extra: OpenCV)
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import optics, work
from sdbatch import motion, video_reader
from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.engine.renderers import open_renderer
from sdbatch.media.compositing import assemble
from sdbatch.media.video_writer import VideoWriter
from sdbatch.motion import zoom
from sdbatch.motion.levels import visible_levels
from sdbatch.motion.poses import poses, relative
from sdbatch.motion.schedule import Key
from sdbatch.motion.settings import Motion
from sdbatch.preview.test_card import Pixels, card
from sdbatch.runner import Options
from sdbatch.runner import run as run_plan
from sdbatch.spec.jobs import Encoding, Job, Shot
from sdbatch.spec.renderer import Renderer
from sdbatch.spec.start import Camera
from sdbatch.store import Store
from sdbatch.tasks.rerender import SharedRenderer

ZOOM = (Key(0, 1.0), Key("end", 4.0, "ramp"))
PROMPT = work.PROMPTS[0]
SECONDS = 4


def run(arguments: Namespace) -> dict[str, Any]:
    fps = 6 if arguments.quick else 24
    out: dict[str, Any] = {"model": arguments.model, "seconds_of_video": SECONDS, "fps": fps}
    out["card"] = {"zoom": _card(fps, 256 if arguments.quick else 512), "integer crops": _cropped_card(fps)}
    model = ModelSettings(kind=arguments.model)
    renderer = open_renderer(work.source_of(arguments.model), model, Runtime())
    videos: dict[str, Any] = {}
    for name, settings in _modes(fps).items():
        videos[name] = _rendered(renderer, settings, arguments.model)
    videos["integer crops"] = videos["zoom"].pop("crop")
    renderer.close()
    out["films"] = videos
    prompt, own = videos["prompt"], videos["zoom"]
    out["zoom_against_prompt"] = {
        "flicker": _short(own["flicker"]["mean"] / prompt["flicker"]["mean"]),
        "shots": _short(own["shots"] / prompt["shots"]),
    }
    return out


def _modes(fps: int) -> dict[str, Motion]:
    common: dict[str, Any] = {"frames": SECONDS * fps, "fps": Fraction(fps)}
    words = (Key(0, ""), Key("end", "close up"))
    return {
        "zoom": Motion(mode="zoom", zoom=ZOOM, strength=(Key(0, 0.8),), **common),
        "prompt": Motion(mode="prompt", zoom=ZOOM, phrase="zoom {zoom:.2f}", **common),
        "walk": Motion(mode="walk", prompts=words, seeds=(Key(0, 0), Key("end", 1)), **common),
        "feedback": Motion(mode="feedback", zoom=ZOOM, cadence=2, strength=(Key(0, 0.35),), **common),
    }


def _card(fps: int, side: int) -> dict[str, Any]:
    """Mode zoom with keyframes that are drawn: what camera, blending and encoder do by themselves."""
    settings = Motion(mode="zoom", zoom=ZOOM, frames=SECONDS * fps, fps=Fraction(fps))
    job = _job(settings, side)
    pictures = [card(camera, (side, side)) for camera in zoom.cameras(job.shot, settings)]
    ids = {shot.id: picture for shot, picture in zip(motion.shots(job), pictures, strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card.mp4"
        start = time.perf_counter()
        assemble(job, ids.__getitem__, path, None)
        seconds = time.perf_counter() - start
        return {"side": side, "seconds_of_composing": _short(seconds), **_measured(path, settings, job)}


def _cropped_card(fps: int) -> dict[str, Any]:
    settings = Motion(mode="zoom", zoom=ZOOM, frames=SECONDS * fps, fps=Fraction(fps))
    return _crops(card(Camera(), (512, 512)), settings)


def _crops(picture: Pixels, settings: Motion) -> dict[str, Any]:
    """The same zoom of one picture by integer crop boxes."""
    height, width, _ = picture.shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crops.mp4"
        with VideoWriter(path, (width, height), settings.fps, Encoding()) as video:
            for z in settings.curve("zoom"):
                w, h = round(width / z), round(height / z)
                left, top = (width - w) // 2, (height - h) // 2
                box = Image.fromarray(picture).crop((left, top, left + w, top + h))
                video.add(np.asarray(box.resize((width, height), Image.Resampling.LANCZOS)))
        return _measured(path, settings)


def _rendered(renderer: Renderer, settings: Motion, model: str) -> dict[str, Any]:
    """One video through the runner, measured in its file; for mode zoom also the crops of its first picture."""
    job = _job(settings, None, model)
    with tempfile.TemporaryDirectory() as folder:
        store, start = Store(Path(folder)), time.perf_counter()
        outcome = run_plan(work.Jobs([job]), store, lambda: SharedRenderer(renderer), Options())
        seconds = time.perf_counter() - start
        if outcome.done != 1:
            raise RuntimeError(f"{settings.mode}: {outcome.errors}")
        path = store.root / job.path
        found = _measured(path, settings, job)
        if settings.mode == "zoom":
            found["crop"] = _crops(next(video_reader.decode(path)), settings)
    count = len(motion.shots(job))
    cost = {"seconds_per_second_of_video": _short(seconds / SECONDS), "shots_per_second_of_video": count / SECONDS}
    return {"shots": count, **cost, **found}


def _job(settings: Motion, side: int | None, model: str = "fake") -> Job:
    plan = work.make_plan(model={"kind": model}, prompts=[PROMPT], sampling={"steps": 20, "guidance": 5.0})
    shot: Shot = plan[0].shot
    if side is not None:
        shot = replace(shot, width=side, height=side)
    return motion.make(shot, settings, Encoding(), "bench")


def _measured(path: Path, settings: Motion, job: Job | None = None) -> dict[str, Any]:
    """The figures of ``optics``, and for keyframes the flicker where their set changes."""
    facts = video_reader.probe(path)
    aspect, views = facts.width / facts.height, _views(settings)
    steps = [relative(b, a, aspect) for a, b in pairwise(views)]
    found = optics.look(video_reader.decode(path), steps, camera=settings.mode in ("zoom", "feedback"))
    out = optics.summary(found, steps, (facts.width, facts.height))
    if job is not None and settings.mode == "zoom" and (at := _switches(settings, views, aspect)):
        usual = median(found.flicker)
        out["flicker_at_switches"] = {
            "switches": len(at),
            "of_median": _short(max(found.flicker[k] for k in at) / usual),
        }
    return out


def _views(settings: Motion) -> Sequence[Camera]:
    """A walk has no camera."""
    return poses(settings) if settings.mode != "walk" else [Camera()] * settings.count


def _switches(settings: Motion, views: Sequence[Camera], aspect: float) -> list[int]:
    """Pairs of frames that are not drawn from the same keyframes."""
    levels = [{d.level for d in visible_levels(settings, view, aspect)} for view in views]
    return [k for k, (a, b) in enumerate(pairwise(levels)) if a != b]


def _short(value: float) -> float:
    return float(f"{value:.3g}")
