"""The ControlNets of an experiment, and as an axis: what is written, as values that shots hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from pathlib import PurePath
from typing import Any

from sdbatch.config.control import ControlSet, ControlSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, Problem, shown
from sdbatch.imaging.preprocess import WITHOUT_OPENCV, cv
from sdbatch.models.adapters import Adapters
from sdbatch.plan.pictures import Pictures
from sdbatch.spec.control import Control

ControlChoice = tuple[Control, ...]  # in the order of adding
KEY = "control"
MOST = 10_000  # values of an axis


def choices(
    entries: Sequence[ControlSettings], adapters: Adapters, pictures: Pictures, at: str = KEY
) -> tuple[ControlChoice, ...]:
    """The ControlNets of ``entries`` with every combination of their nets, pictures and weights. Raises ConfigError."""
    problems: list[Problem] = []
    columns: list[list[Control]] = []
    for i, entry in enumerate(entries):
        try:
            columns.append(list(_column(entry, f"{at}[{i}]", adapters, pictures)))
        except ConfigError as e:
            problems += e.problems
    if not problems and prod(map(len, columns)) > MOST:
        problems.append(Problem(at, f"nets, pictures and weights have more than {MOST:,} combinations"))
    if problems:
        raise ConfigError(problems)
    return tuple(product(*columns))


def swept(values: Sequence[Any], at: str, adapters: Adapters, pictures: Pictures) -> list[ControlChoice]:
    """The values of an axis. Each is null, {net, image, …} or a list of these, which are used together; one with
    several nets, pictures or weights is several values. Raises ConfigError."""
    out: list[ControlChoice] = []
    problems: list[Problem] = []
    for i, value in enumerate(values):
        entries = value if isinstance(value, list) else [] if value is None else [value]
        here = f"{at}[{i}]"
        try:
            out += choices(check(ControlSet, {KEY: entries}).control, adapters, pictures, here)
        except ConfigError as e:
            problems += [Problem(re.sub(rf"^{KEY}\b", here, p.key), p.message, p.hint) for p in e.problems]
    if len(out) > MOST:
        problems.append(Problem(at, f"has {len(out):,} values", f"at most {MOST:,} are possible"))
    if problems:
        raise ConfigError(problems)
    return out


def key_hint(key: str, values: Any) -> str:
    """What to write for a key of an entry (``control.weight``) that is swept by itself; empty for other keys."""
    section, _, name = re.sub(r"\[\d+\]|\.\d+", "", key).partition(".")
    if section != KEY or name not in ControlSettings.model_fields:
        return ""
    if name in ("net", "image", "weight"):
        return f"write the values in the entry: control: [{{…, {name}: {shown(values)}}}]"
    return f"sweep whole entries: control: [{{…, {name}: …}}, {{…, {name}: …}}]"


def active(controls: ControlChoice) -> ControlChoice:
    """Without those of weight 0, which change nothing."""
    return tuple(one for one in controls if one.weight)


def label(controls: Iterable[Control]) -> str:
    """``boat canny 0.8``, for each: the picture, what is made of it, and the weight."""
    return " + ".join(map(_label, controls)) or "none"


def _label(control: Control) -> str:
    made = "" if control.preprocess == "none" else f" {control.preprocess}"
    return f"{PurePath(control.picture.path).stem}{made} {control.weight:g}"


def _column(entry: ControlSettings, at: str, adapters: Adapters, pictures: Pictures) -> Iterable[Control]:
    """The values of one entry: nets, then pictures, then weights."""
    problems: list[Problem] = []
    nets: list[tuple[str, str, str]] = []
    for net in entry.net:
        try:
            nets.append(adapters.net(net, f"{at}.net"))
        except ConfigError as e:
            problems += e.problems
    try:
        found = pictures.named(entry.image if len(entry.image) > 1 else entry.image[0], f"{at}.image")
    except ConfigError as e:
        problems += e.problems
        found = ()
    if entry.preprocess not in WITHOUT_OPENCV:
        try:
            cv()
        except ImportError as e:
            problems.append(Problem(f"{at}.preprocess", f"{entry.preprocess} cannot be computed", str(e)))
    if problems:
        raise ConfigError(problems)
    how = (entry.start, entry.end, entry.guess)
    return [
        Control(digest, picture, entry.preprocess, round(weight, 6), *how, name=name, hash=short)
        for digest, name, short in nets
        for picture in found
        for weight in entry.weight
    ]
