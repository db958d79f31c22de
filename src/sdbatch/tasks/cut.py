"""``task=cut``: join videos into one file, with cuts or cross-fades; render those of the plan that are missing.

The file is outputs/<name>/cuts/<cut.name>; its metadata names every video with its digest. The same videos and settings
give the same bytes.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.style import Style
from rich.text import Text

from sdbatch import files, motion, video_reader
from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError, Problem, StoreError, shown
from sdbatch.files.home import expanded
from sdbatch.media import cutting, metadata
from sdbatch.media.video_writer import VideoWriter
from sdbatch.plan import parse, sounds
from sdbatch.plan.plan import Plan as ExperimentPlan
from sdbatch.spec.canonical import spec
from sdbatch.spec.codecs import CODECS
from sdbatch.spec.jobs import Encoding, Job
from sdbatch.store import Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import kept_plan, render
from sdbatch.tasks.final_jobs import chosen
from sdbatch.tasks.workload import workload
from sdbatch.terminal.console import open_console
from sdbatch.version import __version__
from sdbatch.video_reader import Facts

KEY = "cut.videos"
FOLDER = "cuts"


@dataclass(frozen=True, slots=True)
class Scene:
    """A video, finished or planned. ``id`` is its job's, empty for videos of other programs."""

    path: Path
    facts: Facts
    id: str = ""


def run(experiment: Experiment) -> int:
    """Render what is missing, then cut; the exit code. What cannot be joined is found before anything is rendered."""
    encoding, plan = _encoding(experiment), None
    if experiment.has_prompts:

        def check(plan: ExperimentPlan) -> None:
            _fade(_planned(experiment, plan), experiment.cut.fade)
            render.before_drawing(plan)

        work = workload(experiment, check)
        plan = work.plan
        if code := render.render(work):
            return code
    scenes = _rendered(experiment, plan)
    fade = _fade(scenes, experiment.cut.fade)
    path = experiment.folder / FOLDER / f"{experiment.cut.name or experiment.name}.{CODECS[encoding.codec].suffix}"
    same = write(scenes, fade, path, encoding, metadata_too=experiment.output.metadata == "full")
    frames, fps = cutting.length([s.facts.frames for s in scenes], fade), scenes[0].facts.fps
    link = Text(str(path), Style(link=path.absolute().as_uri()))
    about = f"{len(scenes)} videos, {frames} frames, {float(frames / fps):.2f} s" + ", the same bytes as before" * same
    open_console().print(Text("cut: ").append(link).append(f" ({about})"), highlight=False, soft_wrap=True)
    return 0


def write(scenes: Sequence[Scene], fade: int, path: Path, encoding: Encoding, metadata_too: bool) -> bool:
    """Write the film ``path`` and its sidecar; whether it is the same as before. Raises StoreError."""
    facts = scenes[0].facts
    about = metadata.dumps(_about(scenes, fade, encoding)) if metadata_too else None
    seconds = cutting.length([s.facts.frames for s in scenes], fade) / facts.fps
    sound = None if encoding.audio is None else (Path(encoding.audio.path), Fraction(seconds))
    with _temporary(path) as new:
        try:
            with VideoWriter(new, (facts.width, facts.height), facts.fps, encoding, about, sound=sound) as video:
                for pixels in cutting.joined([video_reader.decode(s.path) for s in scenes], fade):
                    video.add(pixels)
        except ValueError as e:
            raise StoreError(f"{path.name}: {e}") from e
        same = path.is_file() and filecmp.cmp(new, path, shallow=False)
        if about is not None:
            sidecar = path.with_suffix(".json")
            files.write(sidecar, [about.encode() + b"\n"], new.with_suffix(".json.part"))
        files.publish(new, path)
    return same


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside the film ``path``. Of several processes that write this film, one writes at a time."""
    files.make_folder(path.parent)
    mark = f".new-{path.name}."
    new = path.with_name(f"{mark}{os.getpid()}{path.suffix}")
    with files.locked(path.with_name(f".{path.name}.lock")) as alone:
        for left in [p for p in path.parent.iterdir() if alone and p.name.startswith(mark)]:
            files.remove(left)  # of a dead process
        try:
            yield new
        finally:
            files.remove(new)


def _about(scenes: Sequence[Scene], fade: int, encoding: Encoding) -> dict[str, Any]:
    videos = [
        ({"id": s.id} if s.id else {}) | {"file": files.file_digest(s.path), "frames": s.facts.frames} for s in scenes
    ]
    cut = {"videos": videos, "fade": fade, "fps": str(scenes[0].facts.fps), "encoding": spec(encoding)}
    return {metadata.KEY: __version__, "cut": cut}


def _encoding(experiment: Experiment) -> Encoding:
    """How the film is encoded. The videos have their interpolated frames already. Raises ConfigError."""
    return sounds.heard(replace(experiment.encoding.encoding(), interpolate=1, supersample=1))


def _planned(experiment: Experiment, plan: Plan) -> list[Scene]:
    """The videos in order, as they will be when ``plan`` is rendered. Raises ConfigError."""
    if experiment.cut.videos:
        known = {job_id: i for i, job_id in enumerate(plan.ids)}
        store = Store(experiment.folder)
        found = _chosen(experiment, store, lambda i: plan[known[i]] if i in known else None)
        return _checked(found)
    jobs = [job for i in range(len(plan)) if (job := plan[i]).video is not None]
    if not jobs:
        raise ConfigError.one(KEY, "the plan has no videos", "give the experiment a motion")
    return _checked(jobs)


def _rendered(experiment: Experiment, plan: Plan | None) -> list[Scene]:
    """The videos in order: those that ``cut.videos`` names, or all of the plan. Raises ConfigError."""
    store = Store(experiment.folder)
    if experiment.cut.videos:
        return _checked(_chosen(experiment, store))
    plan, ledger = plan or kept_plan.plan(experiment, store), store.ledger()
    records = (ledger.get(job.id) for i in range(len(plan)) if (job := plan[i]).video is not None)
    return _checked([store.file(r) for r in records if r is not None and r.done])


def _checked(videos: Sequence[Path | Job]) -> list[Scene]:
    """Files and planned videos as scenes. Raises ConfigError for what cannot be joined."""
    scenes: list[Scene] = []
    problems: list[Problem] = []
    for video in videos:
        try:
            scenes.append(_scene(video) if isinstance(video, Path) else _scene_of(video))
        except ValueError as e:
            problems.append(Problem(KEY, f"{shown(video.id if isinstance(video, Job) else str(video))}: {e}"))
    first = scenes[0].facts if scenes else None
    for scene in scenes:
        if first and scene.facts[:3] != first[:3]:
            problems.append(Problem(KEY, f"{scene.path.name} has {_shape(scene.facts)}, the first {_shape(first)}"))
    if problems:
        raise ConfigError(problems)
    if len(scenes) < 2:
        raise ConfigError.one(KEY, f"{len(scenes)} videos: two or more are needed", "name files or ids")
    return scenes


def _shape(facts: Facts) -> str:
    return f"{facts.width}x{facts.height} at {float(facts.fps):g} fps"


def _chosen(
    experiment: Experiment, store: Store, planned: Callable[[str], Job | None] = lambda _: None
) -> list[Path | Job]:
    """What ``cut.videos`` names: files, and jobs that are rendered or that ``planned`` knows. Raises ConfigError."""
    ledger = store.ledger()
    found: list[Path | Job] = []
    problems: list[Problem] = []
    for entry in experiment.cut.videos:
        path = expanded(entry, KEY)
        if path.is_file() and (path.suffix != ".txt"):
            found.append(path)
            continue
        ids, wrong = chosen([entry])
        problems += [Problem(KEY, p.message, p.hint) for p in wrong]
        for job_id in ids:
            record = ledger.get(job_id)
            if (job := planned(job_id)) is not None:
                found.append(job)
            elif record is None or not record.done:
                problems.append(Problem(KEY, f"{job_id} is not rendered in {store.root}"))
            else:
                found.append(store.file(record))
    if problems:
        raise ConfigError(problems)
    return found


def _scene_of(job: Job) -> Scene:
    """A video as it will be. Raises ValueError for a picture."""
    if job.video is None:
        raise ValueError("is a picture")
    frames, fps = motion.played(job)
    width, height = job.size.width, job.size.height
    if CODECS[job.video.encoding.codec].even:
        width, height = width + width % 2, height + height % 2
    return Scene(Path(job.path), Facts(width, height, fps, frames), job.id)


def _scene(path: Path) -> Scene:
    """Raises ValueError for what is not a video. The rate is exact if the file says how it was made."""
    facts = video_reader.probe(path)
    with suppress(ValueError, ConfigError):
        job = parse.job(metadata.read(path).get("job"))
        if job.video is not None:
            return Scene(path, facts._replace(fps=motion.played(job)[1]), job.id)
    return Scene(path, facts)


def _fade(scenes: Sequence[Scene], seconds: float) -> int:
    """The number of frames of a cross-fade. Raises ConfigError if a video is too short for it."""
    fade = round(seconds * scenes[0].facts.fps)
    for i, scene in enumerate(scenes):
        needed = fade * (1 if i in (0, len(scenes) - 1) else 2)
        if fade and scene.facts.frames <= needed:
            text = f"{seconds:g} s are {fade} frames, too long for {scene.path.name} with {scene.facts.frames}"
            raise ConfigError.one("cut.fade", text)
    return fade
