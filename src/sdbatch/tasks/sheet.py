"""``task=sheet``: a labelled contact sheet of an experiment's results, with any of its axes as rows and columns."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from graphlib import CycleError, TopologicalSorter
from math import log, prod
from pathlib import Path

from sdbatch import files, video_reader
from sdbatch.config.experiment import Experiment
from sdbatch.config.keys import INIT, LISTS, TOP
from sdbatch.config.tasks import SheetSettings
from sdbatch.errors import ConfigError, StoreError, nearest
from sdbatch.media import fonts, pdf, png
from sdbatch.media.fonts import Face
from sdbatch.media.sheet import LANDSCAPE, MAX_CELLS, Cell, sheet, wrapped
from sdbatch.plan import prompt_names
from sdbatch.plan.axes import Axis, titles
from sdbatch.spec.file_names import is_picture
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Ledger, Store
from sdbatch.store.plan_file import Plan
from sdbatch.tasks import kept_plan
from sdbatch.terminal.console import say

MAX_ROW = 8  # pictures; a longer single row is wrapped
NUMBER = re.compile(r"-?[\d.]+")


def run(experiment: Experiment) -> int:
    """Write outputs/<name>/sheet.png or .pdf. Without prompts, use the plan that is stored in the folder."""
    store, settings = Store(experiment.folder), experiment.sheet
    plan = kept_plan.shown(experiment, store)
    jobs = _chosen((plan[i] for i in range(len(plan))), settings)
    pixels = _drawn(jobs, store, settings, experiment.name, kept_plan.axes(plan))
    data = pdf.encode(pixels, experiment.name) if settings.format == "pdf" else png.encode(pixels, {}, None)
    path = store.root / f"sheet.{settings.format}"
    files.replace(path, data)
    say(path)
    if missing := _missing(jobs, store.ledger()):
        say(f"{missing}; run the experiment again to render them")
    return 0


def make(plan: Plan, store: Store, settings: SheetSettings, name: str) -> Pixels:
    """The sheet (height, width, 3) of the first ``settings.limit`` matching jobs.

    Raises ConfigError; StoreError if nothing is rendered yet.
    """
    jobs = _chosen((plan[i] for i in range(len(plan))), settings)
    return _drawn(jobs, store, settings, name, kept_plan.axes(plan))


def _missing(jobs: Sequence[Job], ledger: Ledger) -> str:
    """``24 of 48 are not rendered and 2 of 48 failed``; empty if none is missing."""
    records = [ledger.get(job.id) for job in jobs]
    failed = sum(record is not None and not record.done for record in records)
    counts = ((records.count(None), "are not rendered"), (failed, "failed"))
    return " and ".join(f"{count:,} of {len(jobs):,} {what}" for count, what in counts if count)


def _drawn(jobs: Sequence[Job], store: Store, settings: SheetSettings, name: str, entries: Iterable[Axis]) -> Pixels:
    ledger = store.ledger()
    if not any(job.id in ledger for job in jobs):
        raise StoreError(f"{name} has no rendered pictures yet")
    every = _axes(jobs)
    axes = {axis: values for axis, values in every.items() if len(values) > 1}
    across, down = _sides(_of_several(settings, every), axes, _together(jobs, axes, entries))
    grid = {(_at(job, down), _at(job, across)): _cell(job, store, ledger) for job in jobs}
    rows, columns = ordered((r for r, _ in grid), down, axes), ordered((c for _, c in grid), across, axes)
    texts, short = _words(jobs), titles(axes)
    names, labels = [_named(across, c, texts, short) for c in columns], [_named(down, r, texts, short) for r in rows]
    face = _face([*names, *labels], settings)
    sides = [
        f"{', '.join(short[k] for k in keys)} {where}" for keys, where in ((across, "across"), (down, "down")) if keys
    ]
    heading = f"{name}: {', '.join(sides)}" if sides else name
    one_row = len(rows) == 1 and len(columns) > MAX_ROW and settings.across is None
    if one_row or len(rows) * len(columns) > MAX_CELLS:
        keys, n = [*down, *across], len(down)
        places = ordered(((*r, *c) for r, c in grid), keys, axes)
        names = [_named(keys, place, texts, short) for place in places]
        cells = [grid[place[:n], place[n:]] for place in places]
        return wrapped(cells, names, f"{name}: {', '.join(short[a] for a in keys)}", face)
    return sheet([grid.get((r, c), Cell()) for r in rows for c in columns], names, labels, heading, face)


def _words(jobs: Iterable[Job]) -> dict[str, str]:
    """The words of the prompts whose labels were made of them, by label."""
    prompts: dict[str, dict[str, None]] = defaultdict(dict)
    for job in jobs:
        prompts[dict(job.labels).get("prompts", "")][job.shot.prompt] = None
    return prompt_names.names(prompts)


def _face(texts: Sequence[str], settings: SheetSettings) -> Face:
    """The font of the labels. Says which letters no font has. Raises ConfigError."""
    try:
        face = fonts.choose(texts, settings.font and str(Path(settings.font).expanduser()))
    except OSError as e:
        text = f"{settings.font!r} cannot be read as a font ({e.strerror or e})"
        raise ConfigError.one("sheet.font", text, "name a .ttf, .otf or .ttc file") from e
    if missing := face.lacks(texts):
        say(f"no font here has {missing[:20]}: they are drawn as boxes; set sheet.font=FILE", stderr=True)
    return face


def ordered(
    places: Iterable[tuple[str, ...]], names: Sequence[str], axes: Mapping[str, Sequence[str]]
) -> list[tuple[str, ...]]:
    """The distinct ``places`` on the axes ``names``, in the order of the axes' values, the first axis slowest."""
    position = {axis: {value: i for i, value in enumerate(values)} for axis, values in axes.items()}
    return sorted(set(places), key=lambda place: [position[a][v] for a, v in zip(names, place, strict=True)])


def _at(job: Job, axes: Sequence[str]) -> tuple[str, ...]:
    labels = dict(job.labels)
    return tuple(labels[axis] for axis in axes)


def _named(axes: Sequence[str], values: Sequence[str], words: Mapping[str, str], short: Mapping[str, str]) -> str:
    """The label of a column or row. With several axes, numbers get their axis's name: guidance 2 · seed 0."""
    several = len(axes) > 1
    values = [words.get(v, v) if a == "prompts" else v for a, v in zip(axes, values, strict=True)]
    names = [
        f"{short[a]} {v}" if several and NUMBER.fullmatch(v) else v or "(empty)"
        for a, v in zip(axes, values, strict=True)
    ]
    return " · ".join(names)


def _chosen(jobs: Iterable[Job], settings: SheetSettings) -> list[Job]:
    """The jobs that match ``settings.where``, at most ``settings.limit``."""
    every = list(jobs)
    axes = _axes(every)
    for entry in settings.where:
        key, _, wanted = entry.partition("=")
        values = wanted.split("|")
        _known("sheet.where", key, axes, "axis")
        for value in values:
            _known("sheet.where", value, axes[key], f"value of {key}")
        every = [job for job in every if dict(job.labels).get(key) in values]
    return every[: settings.limit]


def _axes(jobs: Sequence[Job]) -> dict[str, list[str]]:
    """The values of each axis in the experiment's order, which ``skip`` rules can hide from the first jobs."""
    after: dict[str, dict[str, set[str]]] = {}  # axis -> value -> values before it
    last: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
    for job in jobs:
        for axis, value in job.labels:
            before = after.setdefault(axis, {}).setdefault(value, set())
            others = (axis, tuple(label for label in job.labels if label[0] != axis))
            if (previous := last.get(others)) not in (None, value):
                before.add(str(previous))
            last[others] = value
    return {axis: _in_order(values) for axis, values in after.items()}


def _in_order(after: Mapping[str, Iterable[str]]) -> list[str]:
    """Each value after those before it; as they appear if several plans have contrary orders."""
    try:
        return list(TopologicalSorter(after).static_order())
    except CycleError:
        return list(after)


def _known(key: str, wanted: str, allowed: Iterable[str], what: str = "axis with several values") -> None:
    if wanted not in allowed:
        hint = nearest(wanted, allowed) or _known_names(list(allowed))
        raise ConfigError.one(key, f"unknown {what} {wanted!r}", hint)


def _known_names(names: list[str]) -> str:
    return f"known: {', '.join(names[:20])}" if names else "there are none"


def _of_several(settings: SheetSettings, every: Mapping[str, Sequence[str]]) -> SheetSettings:
    """``settings`` without axes that have one value here. Sides of which none is left are chosen as usual."""
    single = {*LISTS, *TOP, INIT[0], *every} - {axis for axis, values in every.items() if len(values) > 1}
    sides = {"across": settings.across, "down": settings.down}
    left = {side: tuple(n for n in names if n not in single) for side, names in sides.items() if names}
    return settings.model_copy(update={side: names or None for side, names in left.items()})


def _together(jobs: Sequence[Job], axes: Iterable[str], entries: Iterable[Axis]) -> dict[str, tuple[str, ...]]:
    """By axis, the axes that go together with it: keys of one of ``entries``, and keys that decide others, as in
    the entries of a stored plan, which are not known."""
    columns = {axis: [dict(job.labels).get(axis, "") for job in jobs] for axis in axes}
    entry = {key: n for n, one in enumerate(entries) for key in one.keys}
    groups: list[list[str]] = []
    for axis, own in columns.items():
        for group in groups:
            if any(entry.get(axis, axis) == entry.get(a) or _decide(columns[a], own) for a in group):
                group.append(axis)
                break
        else:
            groups.append([axis])
    return {axis: tuple(group) for group in groups for axis in group}


def _decide(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the values of one column follow from those of the other."""
    return len(set(zip(one, other, strict=True))) == max(len(set(one)), len(set(other)))


def _sides(
    settings: SheetSettings, axes: dict[str, list[str]], together: Mapping[str, tuple[str, ...]]
) -> tuple[list[str], list[str]]:
    """(column axes, row axes): as configured, else the last axes as columns, for a landscape format. Axes that go
    together are on one side."""
    for key, names in (("sheet.across", settings.across), ("sheet.down", settings.down)):
        for name in names or ():
            _known(key, name, axes)
    named = {*(settings.down or ()), *(settings.across or ())}
    whole = partial(_with_companions, together=together, named=named)
    down = whole(settings.down or ())
    left = [a for a in axes if a not in down]
    if settings.across is not None:
        across = [a for a in whole(settings.across) if a not in down]
    else:
        across = left if down else _landscape(left, axes, together)
    return across, down + [a for a in left if a not in across]


def _with_companions(names: Iterable[str], together: Mapping[str, tuple[str, ...]], named: set[str]) -> list[str]:
    """``names``, each followed by the axes that go together with it and are not ``named`` by the user."""
    found = (a for name in names for a in (name, *(a for a in together[name] if a not in named)))
    return list(dict.fromkeys(found))


def _landscape(names: list[str], axes: dict[str, list[str]], together: Mapping[str, tuple[str, ...]]) -> list[str]:
    groups = list(dict.fromkeys(together[a] for a in names))
    count = [max(len(axes[a]) for a in group) for group in groups]
    shapes = [abs(log(prod(count[k:]) / prod(count[:k]) / LANDSCAPE)) for k in range(len(groups) + 1)]
    return [a for group in groups[shapes.index(min(shapes)) :] for a in group]


def _cell(job: Job, store: Store, ledger: Ledger) -> Cell:
    record = ledger.get(job.id)
    if record is None:
        return Cell(None, "not rendered")
    if not record.done:
        return Cell(None, record.error or "failed")
    return Cell(loader(store.file(record)))


def loader(path: Path) -> Callable[[], Pixels]:
    return partial(png.decode, path) if is_picture(path) else partial(_first_frame, path)


def _first_frame(path: Path) -> Pixels:
    for pixels in video_reader.decode(path):
        return pixels
    raise ValueError(f"{path.name} contains no frame")
