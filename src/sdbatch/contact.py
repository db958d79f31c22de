"""``task=sheet``: a labelled contact sheet of what an experiment has rendered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log, prod
from pathlib import Path

from sdbatch.errors import ConfigError, nearest
from sdbatch.jobs import Job
from sdbatch.media import footage, png
from sdbatch.media.sheet import Cell, sheet
from sdbatch.plan import Plan
from sdbatch.render import Pixels
from sdbatch.store import Ledger, Store

LANDSCAPE = 1.5  # columns to rows


def make(plan: Plan, store: Store) -> Pixels:
    """The sheet of the first ``sheet.limit`` jobs: some axes across, the others down. Raises ConfigError."""
    experiment = plan.resolved.experiment
    jobs = plan[: experiment.sheet.limit]
    axes = {axis: values for axis, values in _axes(jobs).items() if len(values) > 1}
    across = _across(experiment.sheet.across, axes)
    down = [a for a in axes if a not in across]
    rows: dict[tuple[str, ...], dict[tuple[str, ...], Job]] = {}
    for job in jobs:
        labels = dict(job.labels)
        rows.setdefault(tuple(labels[a] for a in down), {})[tuple(labels[a] for a in across)] = job
    columns = list(dict.fromkeys(c for row in rows.values() for c in row))
    ledger = store.ledger()
    cells = [_cell(row.get(c), store, ledger) for row in rows.values() for c in columns]
    sides = [f"{', '.join(names)} {where}" for names, where in ((across, "across"), (down, "down")) if names]
    title = f"{experiment.name}: {', '.join(sides)}" if sides else experiment.name
    return sheet(cells, [" · ".join(c) for c in columns], [" · ".join(r) for r in rows], title)


def _axes(jobs: list[Job]) -> dict[str, list[str]]:
    out: dict[str, dict[str, None]] = {}
    for job in jobs:
        for axis, value in job.labels:
            out.setdefault(axis, {})[value] = None
    return {axis: list(values) for axis, values in out.items()}


def _across(wanted: str | None, axes: dict[str, list[str]]) -> list[str]:
    """The axes that run across: the one asked for, else as many of the last ones as make the sheet a landscape."""
    if wanted is not None:
        if wanted not in axes:
            hint = nearest(wanted, axes) or f"axes are {', '.join(axes)}"
            raise ConfigError.one("sheet.across", f"{wanted!r} is no axis with several values", hint)
        return [wanted]
    names = list(axes)
    count = [len(axes[a]) for a in names]
    shapes = [abs(log(prod(count[k:]) / prod(count[:k]) / LANDSCAPE)) for k in range(len(names) + 1)]
    return names[shapes.index(min(shapes)) :]


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
