"""``task=reproduce``: one picture or video made again from what the file says of itself; the original stays as it is.

Ours say everything. Other tools' infotext says less: what had to be assumed is named. Files come from anywhere, so
nothing that they say is believed before it is checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError, RenderError, nearest
from sdbatch.media import metadata, png
from sdbatch.models.locate import locate
from sdbatch.models.source import Source
from sdbatch.plan import parse
from sdbatch.spec.jobs import Job
from sdbatch.spec.limits import CLIP_SKIP
from sdbatch.spec.renderer import Profile
from sdbatch.store import Store
from sdbatch.tasks import foreign, rerender
from sdbatch.tasks.verify import compare, repair
from sdbatch.tasks.verify.report import differences
from sdbatch.terminal.console import open_console
from sdbatch.terminal.progress import Progress

KEY = "source"


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What a file tells: the job in it, the profile it was made with (ours say it) and what had to be assumed."""

    job: Job
    source: Source
    profile: Profile | None = None
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The new file, how far it is from the old one, and what differs between the profiles (None: not known)."""

    path: Path
    told: FileSettings
    distance: compare.Distance
    profiles: list[dict[str, str]] | None

    @property
    def code(self) -> int:
        """3 if one profile gave different bits, 1 if there was nothing to compare."""
        if self.distance.why:
            return 1
        return 3 if not self.distance.equal and self.profiles == [] else 0


def run(experiment: Experiment) -> int:
    """Render the file that ``experiment.source`` names again, and compare; the exit code."""
    made = reproduce(experiment, told(experiment), Progress())
    show_reproduce(made, open_console())
    return made.code


def told(experiment: Experiment) -> FileSettings:
    """Read the file that ``experiment.source`` names. Raises ConfigError; renders and writes nothing."""
    path = _source(experiment)
    try:
        data = metadata.read(path)
    except (ValueError, OSError) as e:
        hint = "a PNG, a video or the .json beside one; made with output.metadata=none it says nothing"
        raise ConfigError.one(KEY, f"{path.name!r}: {e}", hint) from e
    if "parameters" in data:
        return _told_by_infotext(data["parameters"], path, experiment)
    job = parse.job(data.get("job"), f"{KEY}.job", str(data.get("slug", ""))[:100])
    profile = parse.profile(data.get("profile"), f"{KEY}.profile")
    origin = data.get("origin", "")
    job = replace(job, origin=origin if isinstance(origin, str) else "")
    return FileSettings(job, rerender.source_of(job.shot.model, experiment), profile)


def reproduce(experiment: Experiment, found: FileSettings, progress: Progress) -> Reproduced:
    """Render it and put it into ``reproduce.folder``. Raises ConfigError, RenderError, StoreError, Interrupted."""
    original = _source(experiment)
    target = _target(experiment, original, found.job)
    renderer = rerender.open_as(found.profile, found.source, experiment)
    try:
        with rerender.rendered([found.job], renderer, experiment, progress) as made:
            record = made.ledger().get(found.job.id)
            if record is None or not record.done:
                raise RenderError(record.error if record else "it was not rendered")
            distance = _distance(original, made.file(record))
            _keep(made, made.file(record), target)
        profiles = compare.profiles(found.profile, renderer.profile) if found.profile else None
        return Reproduced(target, found, distance, profiles)
    finally:
        renderer.close()


def _source(experiment: Experiment) -> Path:
    if experiment.source is None:
        raise ConfigError.one(KEY, "is missing", "name a file: task=reproduce source=picture.png")
    path = Path(experiment.source).expanduser()
    try:
        there, folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):
        there, folder = False, False
    if folder:
        raise ConfigError.one(
            KEY, f"{experiment.source!r} is a folder", "name one file in it; task=verify does them all"
        )
    if not there:
        beside = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        raise ConfigError.one(KEY, f"{experiment.source!r} is not a file", nearest(path.name, beside))
    return path


def _target(experiment: Experiment, original: Path, job: Job) -> Path:
    suffix = Path(job.path).suffix
    target = Path(experiment.reproduce.folder).expanduser() / f"{original.stem}{suffix}"
    if target.exists() and target.samefile(original):
        raise ConfigError.one("reproduce.folder", "is where the original is", "it would be overwritten: name another")
    return target


def _told_by_infotext(said: dict[str, Any], path: Path, experiment: Experiment) -> FileSettings:
    skip = said.get("clip_skip", 1)
    if skip not in CLIP_SKIP:
        raise ConfigError.one(f"{KEY}.parameters", f"Clip skip {skip} is out of range {CLIP_SKIP}")
    source = locate(experiment.model.model_copy(update={"clip_skip": skip}))
    try:
        height, width, _ = png.decode(path).shape
    except ValueError as e:
        raise ConfigError.one(KEY, f"{path.name!r}: {e}") from e
    job, assumed = foreign.job(said, source.model, (width, height), f"{KEY}.parameters")
    return FileSettings(job, source, None, assumed)


def _distance(original: Path, made: Path) -> compare.Distance:
    """To the original; of a ``.json``, to the video beside it."""
    if original.suffix.lower() == ".json":
        original = original.with_suffix(made.suffix)
    if not original.is_file():
        return compare.Distance(why="there is no video beside it to compare with")
    return compare.files(original, made)


def _keep(made: Store, path: Path, target: Path) -> None:
    """Bring the file (and what lies beside a video) from its temporary place to ``target``."""
    with made.worker() as worker:
        for each in repair.with_sidecars(path):
            repair.copy_file(each, target.with_suffix(each.suffix), worker)


def show_reproduce(made: Reproduced, console: Console) -> None:
    """What became of ``task=reproduce``."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    head = "rendered, but cannot be compared: " if made.distance.why else ""
    say(f"{escape(str(made.path))}: {head}{escape(str(made.distance))}")
    for text in made.told.assumed:
        say(f"  assumed {escape(text)}")
    if made.profiles:
        say(f"  {'the profiles differ' if made.distance.equal else 'likely causes'}: {differences(made.profiles)}")
    elif made.code == 3:
        say("  its profile is the present one: no version or setting explains it (was the file changed?)")
