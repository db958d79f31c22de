"""The summary of a run, the locations of its files, and its exit code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.text import Text

from sdbatch.config.experiment import Experiment
from sdbatch.plan import division
from sdbatch.runner import Outcome
from sdbatch.store import Ledger, State, Store
from sdbatch.store.plan_file import Plan as Jobs
from sdbatch.tasks.plan_table import SHOWN, duration, plain
from sdbatch.tasks.workload import Workload
from sdbatch.terminal.console import heading
from sdbatch.terminal.progress import clock

WORTH = 5.0  # seconds that are worth an estimate


def _places(experiment: Experiment, plan: Jobs, store: Store, ledger: Ledger) -> list[tuple[str, Path]]:
    """The folders with results (of a single job its file), and the page."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for i in division.shard(plan, experiment.shard.index, experiment.shard.count)[:20000]:
        kinds[(path := store.path_of(plan[i], ledger)).split("/")[0]].append(path)
    found = [(kind, store.root / (paths[0] if len(paths) == 1 else kind)) for kind, paths in sorted(kinds.items())]
    page = [("gallery", store.gallery)] if experiment.gallery.enabled else []
    return [(kind, path) for kind, path in found + page if path.exists()]


def _without_frames(plan: Jobs, store: Store, ledger: Ledger) -> int:
    """The number of videos that were finished without frames, although frames are requested now."""
    videos = (job for job in map(plan.__getitem__, range(len(plan))) if job.video is not None)
    return sum(
        (store.root / store.path_of(job, ledger)).exists() and not (store.root / "frames" / job.id).is_dir()
        for job in videos
    )


def begun(work: Workload, todo: Sequence[int]) -> str:
    """The first line of a run, which renders ``todo``: ``x: 48 jobs, 40 new, about 2 min; loading tiny``. The device's
    line follows."""
    seconds = work.seconds(todo)
    jobs = f"{len(work.part):,} job{'' if len(work.part) == 1 else 's'}, {len(todo):,} new"
    time = f", about {duration(seconds)}" if seconds is not None and seconds >= WORTH else ""
    models = ", ".join(dict.fromkeys(settings.title for settings in work.models.values()))
    return f"{heading(work.experiment.name)}: {jobs}{time}; loading {models}"


def finished(
    outcome: Outcome, experiment: Experiment, plan: Jobs, console: Console, seconds: float | None = None
) -> int:
    """Print the results of a run, how long it took, and the locations of its files; the exit code."""
    store = Store(experiment.folder)
    ledger = store.ledger()
    counts = [f"{outcome.done:,} rendered", f"{outcome.skipped:,} done before", f"{outcome.failed:,} failed"]
    shown = [w for w in counts if not w.startswith("0 ")]
    if shown or not outcome.interrupted:
        took = f" in {clock(seconds)}" if seconds is not None and outcome.done else ""
        done = f"{heading(experiment.name)}: {', '.join(shown) or 'nothing to do'}{took}"
        console.print(done, markup=False, highlight=False, soft_wrap=True)
    for job_id, error in outcome.errors[:SHOWN]:
        console.print(f"  [red]failed[/] {job_id}: {plain(error)}", highlight=False, soft_wrap=True)
    if outcome.damaged_lines:
        console.print(f"  {outcome.damaged_lines} damaged manifest lines were skipped", highlight=False)
    for kind, path in _places(experiment, plan, store, ledger):
        link = Text(str(path), Style(link=path.absolute().as_uri()))  # only on a terminal
        console.print(Text(f"  {kind}: ").append(link), highlight=False, soft_wrap=True)
    if experiment.output.frames and (without := _without_frames(plan, store, ledger)):
        text = f"  videos finished before, without frames: {without:,} (remove their files in videos/ and run again)"
        console.print(text, highlight=False, soft_wrap=True)
    if outcome.interrupted:
        console.print(f"interrupted with {outcome.left:,} left; run the same command again to resume", highlight=False)
    elif outcome.left:
        console.print(f"{outcome.left:,} left; run the same command again to resume", highlight=False)
    return code(outcome)


def outcome(work: Workload, rendered: int = 0, stopped: bool = False) -> Outcome:
    """The state of the plan (or shard) from the records. ``rendered``: of the done jobs, those of this run."""
    store, part = work.store, work.part
    states = store.states(work.plan, ledger := store.ledger())
    failed = [work.plan.ids[i] for i in states.where(State.FAILED, part=part)]
    left = sum(1 for _ in states.where(State.NEW, State.STALE, part=part))
    errors = tuple((i, r.error) for i in failed[:SHOWN] if (r := ledger.get(i)) is not None)
    skipped = len(part) - rendered - len(failed) - left
    return Outcome(
        rendered, skipped, len(failed), left, stopped and left > 0, errors=errors, damaged_lines=ledger.damaged_lines
    )


def code(outcome: Outcome) -> int:
    """The exit code."""
    return 130 if outcome.interrupted else 1 if outcome.failed or outcome.left else 0
