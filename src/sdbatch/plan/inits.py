"""The pictures that shots start from: of the experiment, and as an axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sdbatch.config.fields import CANVAS_OF_INIT
from sdbatch.config.keys import INIT
from sdbatch.config.pictures import InitSettings
from sdbatch.errors import ConfigError, Problem
from sdbatch.plan.pictures import Pictures
from sdbatch.spec.canvas import SIDE, Size
from sdbatch.spec.pictures import Init, InputPicture

KEY = "init.image"
Choice = InputPicture | None


def choices(settings: InitSettings, pictures: Pictures) -> tuple[Choice, ...]:
    """The pictures of the experiment, or only None. Raises ConfigError."""
    if not settings.image:
        return (None,)
    return pictures.named(settings.image if len(settings.image) > 1 else settings.image[0], KEY)


def swept(values: Any, at: str, pictures: Pictures) -> Sequence[Choice]:
    """The values of an axis: a file, folder or pattern, or a list of these and of null. Raises ConfigError."""
    problems: list[Problem] = []
    out: list[Choice] = []
    for i, value in enumerate(values if isinstance(values, list) else [values]):
        here = f"{at}[{i}]" if isinstance(values, list) else at
        try:
            if value is not None and (not isinstance(value, str) or not value):
                raise ConfigError.one(here, f"{value!r} is not the name of a picture")
            out += [None] if value is None else pictures.named(value, here)
        except ConfigError as e:
            problems += e.problems
    if problems:
        raise ConfigError(problems)
    return out


def value(settings: InitSettings, picture: Choice) -> Init | None:
    """What a shot starts from."""
    return None if picture is None else Init(picture, settings.strength, settings.resize)


def size(init: Init | None, at: str = "canvas") -> Size:
    """The size of a shot that takes that of its picture. Raises ConfigError."""
    if init is None:
        raise ConfigError.one(at, "is init, the size of init.image, which is not set", "write a size, or init.image")
    picture = init.picture
    if picture.width not in SIDE or picture.height not in SIDE:
        text = f"{picture.path!r} has {picture.width} x {picture.height} pixels; sides are {SIDE.start}–{SIDE.stop - 1}"
        raise ConfigError.one(at, text, "write a size")
    return Size(picture.width, picture.height)


def problems(settings: InitSettings, axes: Mapping[str, Sequence[Any]], pictures: Iterable[Choice]) -> list[Problem]:
    """Settings without a picture, and pictures whose size is no canvas; ``axes``: the values of every swept key."""
    found = list(dict.fromkeys(axes.get(KEY, pictures)))
    wrong: dict[str, Problem] = {}
    if CANVAS_OF_INIT in (written for written, _ in axes.get("canvas", ())):
        for picture in found:
            try:
                size(value(settings, picture))
            except ConfigError as e:
                wrong |= {str(p): p for p in e.problems}
    if not any(found):
        defaults = InitSettings()
        own = (k for k in INIT if getattr(settings, k.partition(".")[2]) != getattr(defaults, k.partition(".")[2]))
        for key in dict.fromkeys([*own, *(k for k in INIT if k in axes)]):
            wrong[key] = Problem(key, "has no effect without init.image", "name a picture")
    return list(wrong.values())
