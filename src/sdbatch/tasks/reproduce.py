"""``task=reproduce``: render a picture or video again from its metadata. The original is not changed.

Files of sdbatch contain a complete description. For the infotext of other tools, assumptions are made and listed. Files
are untrusted, so all metadata is validated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError, RenderError, nearest
from sdbatch.media import infotext, metadata, png
from sdbatch.models.adapters import Adapters
from sdbatch.models.source import Source
from sdbatch.models.upscalers import Upscalers
from sdbatch.plan import parse, sounds
from sdbatch.plan.model_axis import located
from sdbatch.spec.file_names import companions
from sdbatch.spec.jobs import Job
from sdbatch.spec.limits import CLIP_SKIP
from sdbatch.spec.renderer import Profile
from sdbatch.store import Store
from sdbatch.tasks import foreign, kept_plan, rerender
from sdbatch.tasks.verify import compare, repair
from sdbatch.tasks.verify.report import differences
from sdbatch.terminal.console import open_console
from sdbatch.terminal.progress import Progress

KEY = "source"


@dataclass(frozen=True, slots=True)
class FileSettings:
    """The metadata of a file: its job, its profile (None for other tools' files), and the assumptions made.

    ``source``: its weights, None if they were not looked for.
    """

    job: Job
    source: Source | None
    profile: Profile | None = None
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The new file, its distance from the original, and the differences of their profiles (None: unknown)."""

    path: Path
    settings: FileSettings
    distance: compare.Distance
    profiles: list[dict[str, str]] | None

    @property
    def code(self) -> int:
        """3 if the bits differ under the same profile, 1 if a file of sdbatch cannot be compared, else 0.

        Another tool's picture is rendered from assumptions, so a difference is expected.
        """
        if self.distance.why:
            return 1 if self.settings.profile else 0
        return 3 if not self.distance.equal and self.profiles == [] else 0


def run(experiment: Experiment) -> int:
    """Render the file that ``experiment.source`` names again, and compare; the exit code."""
    made = reproduce(experiment, read_settings(experiment), Progress())
    show_reproduce(made, open_console())
    return made.code


def read_settings(experiment: Experiment) -> FileSettings:
    """Read the metadata of the file ``experiment.source``. Raises ConfigError; renders and writes nothing."""
    found = read_job(experiment)
    found = replace(found, job=_heard(found.job, _source(experiment), experiment))
    rerender.inputs_of([found.job], experiment)
    if found.source:
        return found
    source = rerender.source_of(found.job.shot.model, experiment)
    (source,) = rerender.with_adapters([source], [found.job], experiment)
    return replace(found, source=source)


def read_job(experiment: Experiment) -> FileSettings:
    """As ``read_settings``, but the weights and the sound of a file of sdbatch need not be on this machine."""
    path = _source(experiment)
    try:
        data = metadata.read(path)
    except (ValueError, OSError) as e:
        hint = "give a PNG, a video or its .json; files written with output.metadata=none have no metadata"
        raise ConfigError.one(KEY, f"{path.name!r}: {e}", hint) from e
    if "parameters" in data:
        return _from_infotext(data["parameters"], path, experiment)
    if "cut" in data:
        raise ConfigError.one(KEY, f"{path.name!r} is cut from other videos", "reproduce those, then use task=cut")
    job = parse.job(data.get("job"), f"{KEY}.job", str(data.get("slug", ""))[:100])
    profile = parse.profile(data.get("profile"), f"{KEY}.profile")
    origin = data.get("origin", "")
    job = replace(job, origin=origin if isinstance(origin, str) else "")
    if "slug" not in data:  # the experiment named its files otherwise
        job = replace(job, slug="", name=job.id)
    return FileSettings(job, None, profile)


def _heard(job: Job, path: Path, experiment: Experiment) -> Job:
    """``job`` with its sound: from the folder of the experiment that made the file, or that of ``encoding.audio``."""
    audio = job.video.encoding.audio if job.video else None
    if audio is None:
        return job
    given = sounds.read(experiment.encoding.audio)
    near = [Store(folder).sound(audio) for folder in path.absolute().parents[1:3]]
    for place in [*([Path(given.path)] if given == audio and given else []), *near]:
        if place.is_file():
            return kept_plan.with_sound(job, place)
    raise ConfigError.one(sounds.KEY, f"the sound of {path.name!r} is not found", "name the file with encoding.audio")


def reproduce(experiment: Experiment, found: FileSettings, progress: Progress) -> Reproduced:
    """Render ``found.job`` into ``reproduce.folder``. Raises ConfigError, RenderError, StoreError, Interrupted."""
    original = _source(experiment)
    target = _target(experiment, original, found.job)
    assert found.source is not None
    renderer = rerender.open_as(found.profile, [found.source], experiment)
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
        exists, folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):
        exists, folder = False, False
    if folder:
        raise ConfigError.one(
            KEY, f"{experiment.source!r} is a folder", "name one of its files; task=verify checks all of them"
        )
    if not exists:
        beside = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        raise ConfigError.one(KEY, f"{experiment.source!r} is not a file", nearest(path.name, beside))
    return path


def _target(experiment: Experiment, original: Path, job: Job) -> Path:
    suffix = Path(job.path).suffix
    target = Path(experiment.reproduce.folder).expanduser() / f"{original.stem}{suffix}"
    written = [target, *companions(target)]
    kept = [original, *(original.with_suffix(path.suffix) for path in written)]
    if any(path.exists() and path.samefile(one) for path in written for one in kept if one.exists()):
        raise ConfigError.one(
            "reproduce.folder", "contains the original", "the original would be overwritten: choose another folder"
        )
    return target


def _from_infotext(fields: dict[str, Any], path: Path, experiment: Experiment) -> FileSettings:
    skip = fields.get("clip_skip", 1)
    if skip not in CLIP_SKIP:
        raise ConfigError.one(f"{KEY}.parameters", f"Clip skip {skip} is out of range {CLIP_SKIP}")
    source = _weights(fields, skip, experiment)
    try:
        height, width, _ = png.decode(path).shape
    except ValueError as e:
        raise ConfigError.one(KEY, f"{path.name!r}: {e}") from e
    adapters = Adapters(experiment.lora_folders, experiment.embedding_folders, experiment.control_folders)
    upscalers = Upscalers(experiment.upscaler_folders, adapters.files)
    job, assumed = foreign.job(fields, source.model, (width, height), f"{KEY}.parameters", adapters, upscalers)
    return FileSettings(job, replace(source, adapters=adapters.files), None, assumed)


def _weights(fields: dict[str, Any], skip: int, experiment: Experiment) -> Source:
    """The configured model that the infotext names, or the first one. Raises ConfigError."""
    with_skip = experiment.model_copy(update={"model": experiment.model.model_copy(update={"clip_skip": skip})})
    models = list(located(with_skip))
    return next((s for s in models if infotext.is_of(fields, s.model)), models[0])


def _distance(original: Path, made: Path) -> compare.Distance:
    """The distance from the original; if that is a ``.json``, from its video."""
    if original.suffix.lower() == ".json":
        original = original.with_suffix(made.suffix)
    if not original.is_file():
        return compare.Distance(why="its video is missing")
    return compare.files(original, made)


def _keep(made: Store, path: Path, target: Path) -> None:
    """Copy the file, and the sidecar files of a video, from the temporary store to ``target``."""
    with made.worker() as worker:
        for each in repair.with_sidecars(path):
            repair.copy_file(each, target.with_suffix(each.suffix), worker)


def show_reproduce(made: Reproduced, console: Console) -> None:
    """Print the result of ``task=reproduce``."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    head = "rendered, but cannot be compared: " if made.distance.why else ""
    say(f"{escape(str(made.path))}: {head}{escape(str(made.distance))}")
    for text in made.settings.assumed:
        say(f"  assumed {escape(text)}")
    if made.profiles:
        say(f"  {'the profiles differ' if made.distance.equal else 'likely causes'}: {differences(made.profiles)}")
    elif made.code == 3:
        say("  the profiles are equal: no version or setting explains the difference (was the file changed?)")
