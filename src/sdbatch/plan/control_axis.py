"""The ControlNets of an experiment, and as an axis: what is written, as values that shots hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sdbatch.config.control import OF_START, ControlSet, ControlSettings
from sdbatch.config.validation import check
from sdbatch.errors import Problem, Problems, shown
from sdbatch.imaging.preprocess import WITHOUT_OPENCV, cv
from sdbatch.models.adapters import Adapters
from sdbatch.motion.settings import Motion
from sdbatch.plan import entry_sets
from sdbatch.plan.pictures import Pictures
from sdbatch.spec.control import Control
from sdbatch.spec.passes import Pass
from sdbatch.spec.pictures import Init, InputPicture

ControlChoice = tuple[Control, ...]  # in the order of adding
KEY = "control"


def choices(
    entries: Sequence[ControlSettings], adapters: Adapters, pictures: Pictures, at: str = KEY
) -> tuple[ControlChoice, ...]:
    """The ControlNets of ``entries`` with every combination of their nets, pictures and weights. Raises ConfigError."""
    return entry_sets.combinations(
        entries, at, lambda entry, here: _values(entry, here, adapters, pictures), "nets, pictures and weights"
    )


def swept(values: Sequence[Any], at: str, adapters: Adapters, pictures: Pictures) -> list[ControlChoice]:
    """The values of an axis. Each is null, {net, image, …} or a list of these, which are used together; one with
    several nets, pictures or weights is several values. Raises ConfigError."""
    return entry_sets.swept(
        values,
        at,
        KEY,
        lambda entries, here: choices(check(ControlSet, {KEY: entries}).control, adapters, pictures, here),
    )


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


def of_start(controls: ControlChoice) -> bool:
    """Whether a ControlNet sees the picture that a shot starts from."""
    return any(control.picture is None for control in controls)


def unseen(settings: Iterable[tuple[ControlChoice, Motion, Init | None, Sequence[Pass]]]) -> list[Problem]:
    """The mistake of ``misfits`` in a film, or in all pictures: one without a second pass is the plain picture."""
    problems, used = Problems(), False
    for controls, motion, init, passes in settings:
        found = misfits(controls, motion, init, passes)
        if found and motion.mode != "still":
            return found
        problems += found
        used = used or (not found and of_start(controls))
    return [] if used else list(dict.fromkeys(problems))


def misfits(controls: ControlChoice, motion: Motion, init: Init | None, passes: Sequence[Pass]) -> list[Problem]:
    """The mistake of a ControlNet for the picture that shots start from, where they start from none."""
    if init is not None or not of_start(controls):
        return []
    if motion.mode == "still" and any(each.strength for each in passes):
        return []
    text = f"{OF_START!r} is the picture that a shot starts from, and there is none"
    return [Problem(f"{KEY}.image", text, "set init.image, or for pictures hires.scale")]


def _label(control: Control) -> str:
    made = "" if control.preprocess == "none" else f" {control.preprocess}"
    return f"{control.picture or OF_START}{made} {control.weight:g}"


def _values(entry: ControlSettings, at: str, adapters: Adapters, pictures: Pictures) -> Iterable[Control]:
    """The values of one entry: nets, then pictures, then weights."""
    problems = Problems()
    nets: list[tuple[str, str, str]] = []
    for net in entry.net:
        with problems:
            nets.append(adapters.net(net, f"{at}.net"))
    found: Sequence[InputPicture | None] = ()
    with problems:
        if entry.image == (OF_START,):
            found = (None,)
        elif entry.video is not None:
            found = (pictures.clip(entry.video, f"{at}.video"),)
        else:
            found = pictures.named(entry.image if len(entry.image) > 1 else entry.image[0], f"{at}.image")
    if entry.preprocess not in WITHOUT_OPENCV:
        try:
            cv()
        except ImportError as e:
            problems.append(Problem(f"{at}.preprocess", f"{entry.preprocess} cannot be computed", str(e)))
    problems.report()
    how = (entry.start, entry.end, entry.guess)
    return [
        Control(digest, picture, entry.preprocess, round(weight, 6), *how, name=name, hash=short)
        for digest, name, short in nets
        for picture in found
        for weight in entry.weight
    ]
