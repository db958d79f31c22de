"""``task=sheet``: a labelled contact sheet of what an experiment has rendered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sdbatch.errors import ConfigError, nearest
from sdbatch.jobs import Job
from sdbatch.media import footage, png
from sdbatch.media.sheet import Cell, sheet
from sdbatch.plan import Plan
from sdbatch.render import Pixels
from sdbatch.store import Ledger, Store

PREFERRED = ("seeds", "canvas", "prompts")  # runs across unless a sweep does


def make(plan: Plan, store: Store) -> Pixels:
    """The sheet of the first ``sheet.limit`` jobs: one axis across, the others down. Raises ConfigError."""
    experiment = plan.resolved.experiment
    jobs = plan[: experiment.sheet.limit]
    axes = _axes(jobs)
    across = _across(experiment.sheet.across, axes)
    columns = axes.get(across, [""])
    down = [a for a in axes if a != across and len(axes[a]) > 1]
    rows: dict[tuple[str, ...], dict[str, Job]] = {}
    for job in jobs:
        labels = dict(job.labels)
        rows.setdefault(tuple(labels[a] for a in down), {})[labels.get(across, "")] = job
    ledger = store.ledger()
    cells = [_cell(row.get(c), store, ledger) for row in rows.values() for c in columns]
    title = (
        f"{experiment.name}: {across} across" + (f", {', '.join(down)} down" if down else "")
        if across
        else experiment.name
    )
    return sheet(cells, columns, [" · ".join(key) for key in rows], title)


def _axes(jobs: list[Job]) -> dict[str, list[str]]:
    out: dict[str, dict[str, None]] = {}
    for job in jobs:
        for axis, value in job.labels:
            out.setdefault(axis, {})[value] = None
    return {axis: list(values) for axis, values in out.items()}


def _across(wanted: str | None, axes: dict[str, list[str]]) -> str:
    if wanted is not None:
        if wanted not in axes:
            raise ConfigError.one(
                "sheet.across", f"{wanted!r} is no axis; axes are {', '.join(axes)}", nearest(wanted, axes)
            )
        return wanted
    many = [a for a, values in axes.items() if len(values) > 1]
    swept = [a for a in many if a not in PREFERRED]
    return (swept or [a for a in PREFERRED if a in many] or list(axes))[0]


def _cell(job: Job | None, store: Store, ledger: Ledger) -> Cell:
    if job is None:
        return Cell(None, "")
    record = ledger.get(job.id)
    if record is None:
        return Cell(None, "not rendered")
    if not record.done:
        return Cell(None, record.error or "failed")
    return Cell(_loader(store.file(record)))


def _loader(path: Path) -> Callable[[], Pixels]:
    return partial(png.decode, path) if path.suffix == ".png" else partial(_first_frame, path)


def _first_frame(path: Path) -> Pixels:
    for pixels in footage.decode(path):
        return pixels
    raise ValueError(f"{path.name} holds no frame")
