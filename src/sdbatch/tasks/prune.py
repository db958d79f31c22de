"""``task=prune``: list what no stored plan needs; remove it with ``prune.apply=true``.

    orphan    a record, and its files, of a job that is in no stored plan
    stray     a file in images/ or videos/ without a record
    shot      a picture in shots/ that no video, and no picture with passes, of a stored plan needs (with prune.shots:
              no unfinished one)
    sound     a copy in sounds/ that no video of a stored plan needs
    given     a picture in controls/ or starts/ that no job of a stored plan needs
    frame     a picture in frames/ of a video that is in no stored plan
    thumb     a thumbnail in gallery/ of a job without a record
    plan      a plan before the current one (prune.plans)
    profile   a file in profiles/ that no record and no shot uses

Records are removed before files, so after a crash only strays are left, which the next prune removes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from sdbatch import files, motion
from sdbatch.config.experiment import Experiment
from sdbatch.config.tasks import PruneSettings
from sdbatch.errors import ConfigError, StoreError, nearest
from sdbatch.spec import file_names, given_files
from sdbatch.spec.jobs import Job
from sdbatch.store import Ledger, Store
from sdbatch.store.folder import SOUNDS
from sdbatch.store.plan_file import Plan, kept_ids
from sdbatch.tasks import gallery, kept_plan
from sdbatch.tasks.verify.repair import order
from sdbatch.terminal.console import open_console

SHOWN = 20  # listed paths per kind


@dataclass(slots=True)
class Unwanted:
    """What to remove: ``paths`` by kind, and ids whose records are removed.

    ``stamp``: of the folder before anything was read.
    """

    paths: dict[str, list[Path]] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)
    size: int = 0  # bytes on disk
    stamp: list[tuple[Path, int, int, int]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.records) or any(self.paths.values())


def run(experiment: Experiment) -> int:
    """List what no stored plan needs; remove it with ``prune.apply``."""
    store, settings = Store(experiment.folder), experiment.prune
    if not experiment.has_prompts and not store.root.is_dir():
        names = [p.name for p in store.root.parent.glob("*/")]
        raise ConfigError.one("name", f"{store.root} does not exist", nearest(experiment.name, names))
    plan = kept_plan.plan(experiment, store) if experiment.has_prompts else None
    found = unwanted(store, plan, settings)
    if settings.apply and found:
        remove(store, plan, found, settings)
    show_prune(found, store, settings.apply, open_console())
    if settings.apply:
        gallery.refresh(experiment)
    return 0


def unwanted(store: Store, plan: Plan | None, settings: PruneSettings) -> Unwanted:
    """What neither a stored plan needs nor ``plan``, the current one of the experiment (or None)."""
    stamp = _stamp(store)
    ledger = store.ledger()
    plans = kept_plan.plan_files(store)
    old = [p for p in plans if p != store.plan or plan is not None] if settings.plans else []
    kept = [p for p in plans if p not in old]
    wanted = set(plan.ids) if plan is not None else set()
    for path in kept:
        wanted |= set(kept_ids(path))
    jobs = _planned(store, plan, kept)
    found = Unwanted(records=sorted(i for i in ledger if i not in wanted), stamp=stamp)
    gone = set(found.records)
    kept_files = _kept_files(store, ledger, gone) if gone else set()
    found.paths = {
        "orphan": sorted({p for i in gone for p in _files(store, ledger, i) if p.is_file()} - kept_files),
        "stray": list(store.strays(ledger)),
        "shot": sorted(_shots(store, jobs, settings.shots)),
        "sound": sorted(_sounds(store, jobs)),
        "given": sorted(_given(store, jobs)),
        "frame": sorted(p for p in store.root.glob("frames/*/*.png") if p.parent.name not in wanted),
        "thumb": sorted(p for p in _thumbs(store) if p.stem not in ledger or p.stem in gone),
        "plan": [p for p in old if p != store.plan],
    }
    found.paths["profile"] = sorted(_profiles(store, ledger, gone, set(found.paths["shot"])))
    found.size = sum(_size(p) for paths in found.paths.values() for p in paths)
    return found


def _stamp(store: Store) -> list[tuple[Path, int, int, int]]:
    """Differs after a process has started, recorded something or ended: then a scan of the folder is out of date."""
    found = []
    for path in store.sources:
        with suppress(OSError):
            s = path.stat()
            found.append((path, s.st_ino, s.st_mtime_ns, s.st_size))
    return found


def _files(store: Store, ledger: Ledger, job_id: str) -> Iterator[Path]:
    record = ledger.get(job_id)
    if record is not None and record.done:
        path = store.file(record)
        yield from (path, *file_names.companions(path))


def _kept_files(store: Store, ledger: Ledger, gone: set[str]) -> set[Path]:
    """Files of records that are kept. A manifest may be forged: its records must not remove files of other records."""
    return {p for i in ledger if i not in gone for p in _files(store, ledger, i)}


def _thumbs(store: Store) -> Iterator[Path]:
    """The files of thumbnails: of large plans they are in folders."""
    return store.root.glob("gallery/thumbs/**/*.jpg")


def _planned(store: Store, plan: Plan | None, plans: list[Path]) -> list[Job] | None:
    """The jobs of ``plan`` and of stored ``plans``, if files that jobs need beside their own are here.

    None if one is damaged or of another version: its needs are unknown.
    """
    shots = any(store.shot_files(profile) for profile in store.shot_profiles())
    if not shots and not any(_sound_files(store)) and not any(_given_files(store)):
        return []
    jobs = [job for path in plans for job in kept_plan.jobs(path)]
    if {i for path in plans for i in kept_ids(path)} - {job.id for job in jobs}:
        return None
    return jobs + ([plan[i] for i in range(len(plan))] if plan is not None else [])


def _sound_files(store: Store) -> Iterator[Path]:
    return store.root.glob(f"{SOUNDS}/*")


def _shots(store: Store, jobs: list[Job] | None, finished: bool) -> Iterator[Path]:
    """Shots that no job of several needs; with ``finished``, also those that only finished jobs need."""
    existing = [p for profile in store.shot_profiles() for p in store.shot_files(profile)]
    if jobs is None or not existing:
        return
    ledger = store.ledger()

    def needs(job: Job) -> bool:
        record = ledger.get(job.id)
        several = job.video is not None or job.passes
        return bool(several) and not (finished and record and record.done and store.intact(record))

    wanted = {shot_id for job in jobs if needs(job) for shot_id in motion.shot_ids(job)}
    yield from (p for p in existing if p.stem not in wanted)


def _sounds(store: Store, jobs: list[Job] | None) -> Iterator[Path]:
    """Copies of sounds that no video of ``jobs`` needs."""
    if jobs is None:
        return
    needed = {store.sound(job.video.encoding.audio) for job in jobs if job.video and job.video.encoding.audio}
    yield from (p for p in _sound_files(store) if p not in needed)


def _given_files(store: Store) -> Iterator[Path]:
    return (path for folder in given_files.FOLDERS for path in store.root.glob(f"{folder}/*.png"))


def _given(store: Store, jobs: list[Job] | None) -> Iterator[Path]:
    """Pictures that none of ``jobs`` was given."""
    if jobs is None:
        return
    needed = {store.root / given.path for job in jobs for given in given_files.of(job)}
    yield from (p for p in _given_files(store) if p not in needed)


def _profiles(store: Store, ledger: Ledger, gone: set[str], shots: set[Path]) -> Iterator[Path]:
    named = {r.profile for r in ledger.records() if r.id not in gone}
    named |= {profile for profile in store.shot_profiles() if not shots.issuperset(store.shot_files(profile))}
    yield from (p for p in store.root.glob("profiles/*.json") if p.stem not in named)


def remove(store: Store, plan: Plan | None, found: Unwanted, settings: PruneSettings) -> None:
    """Remove ``found``. Raises StoreError, also if another process renders into the folder or has done so since."""
    if store.living():
        raise StoreError(f"{store.root}: another process renders into this folder; prune after it has ended")
    if found.stamp != _stamp(store):
        raise StoreError(f"{store.root}: another process has changed this folder meanwhile; run this command again")
    with store.worker() as worker:
        if settings.plans and plan is not None:
            store.keep_plan(worker, plan)
            found.paths["plan"] = [p for p in kept_plan.plan_files(store) if p != store.plan]
        ledger = store.compact(worker, order(store), set(found.records))
    kept = _kept_files(store, ledger, set(found.records))  # of a process that has started and ended since, too
    for kind, paths in found.paths.items():
        found.paths[kind] = [path for path in paths if path not in kept]
        for path in found.paths[kind]:
            with files.store_errors(path):
                path.unlink(missing_ok=True)
    shots = [folder for profile in store.shot_profiles() for folder in store.shot_folders(profile)]
    folders = [*shots, *store.root.glob("frames/*"), *file_names.folders(store.root)]
    for folder in [*folders, *(store.root / name for name in ("shots", *given_files.FOLDERS, "frames", "plans"))]:
        if folder.is_dir() and not any(folder.iterdir()):
            with files.store_errors(folder):
                folder.rmdir()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def show_prune(found: Unwanted, store: Store, applied: bool, console: Console) -> None:
    """Print what ``task=prune`` removed, or would remove."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    if not found:
        say(f"{store.root}: nothing to remove")
        return
    kinds = [f"{len(paths):,} {kind} file{'s' * (len(paths) != 1)}" for kind, paths in found.paths.items() if paths]
    records = f"{len(found.records):,} record{'s' * (len(found.records) != 1)}" if found.records else ""
    say(f"{store.root}: {', '.join(filter(None, (records, *kinds)))}; {found.size / 1e6:,.1f} MB")
    for kind, paths in found.paths.items():
        for path in paths[:SHOWN]:
            say(f"  {kind}  {path.relative_to(store.root)}")
        if len(paths) > SHOWN:
            say(f"  {kind}  … and {len(paths) - SHOWN:,} more")
    say("removed" if applied else "nothing was removed; set prune.apply=true to remove")
