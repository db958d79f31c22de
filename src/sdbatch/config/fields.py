"""Types that several sections of the configuration share: names from a registry, paths, seeds, canvases."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
)

from sdbatch.errors import nearest, shown
from sdbatch.files.home import expand
from sdbatch.spec.canvas import RATIOS
from sdbatch.spec.canvas import parse as parse_canvas
from sdbatch.spec.ranges import parse_seeds, random_seeds
from sdbatch.spec.sound import Sound

SLUG = r"^[a-z0-9][a-z0-9_-]{0,63}$"  # the name of an experiment, which is the name of a folder
CANVAS_OF_INIT = "init"  # the size of init.image


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def one_of(names: Collection[str], what: str, others: Callable[[], Mapping[str, str]] = dict) -> AfterValidator:
    """One of ``names`` as they are when a value is checked: an entry may be registered later.

    ``others`` returns names of other programs, in lower case, and the equivalent here, for the error message.
    """

    def check(value: str) -> str:
        if value not in names:
            meant = others().get(value.strip().lower())
            hint = f"; did you mean {meant!r}?" if meant else _nearest(value, names)
            raise ValueError(f"unknown {what} {shown(value)}; allowed: {', '.join(names)}{hint}")
        return value

    return AfterValidator(check)


def _nearest(value: str, names: Collection[str]) -> str:
    return f"; {found}" if (found := nearest(value, names)) else ""


def _path(value: str) -> str:
    long = any(len(part.encode()) > 255 for part in expand(value).parts)
    if long or "\0" in value:
        raise ValueError(f"{shown(value)} is not a name of a file or folder")
    return value


FilePath = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_path)]


def _audio(value: Any) -> Sound | None:
    """A file as configured, or the digest alone, as in the metadata of a video."""
    if value is None or isinstance(value, Sound):
        return value
    if isinstance(value, dict) and value.keys() == {"digest"} and isinstance(value["digest"], str):
        if not re.fullmatch(r"b2:[0-9a-f]{32}", value["digest"]):
            raise ValueError(f"{shown(value['digest'])} is not a digest")
        return Sound(value["digest"])
    if not isinstance(value, str) or not 0 < len(value) <= 4096:
        raise ValueError(f"{shown(value)} is not the name of a sound file")
    return Sound(path=_path(value))


def _dumped_audio(sound: Sound | None) -> Any:
    return None if sound is None else sound.path or {"digest": sound.digest}


Audio = Annotated[
    Sound | None,
    PlainValidator(_audio, json_schema_input_type=str | None),
    PlainSerializer(_dumped_audio, return_type=Any),
]


def as_tuple(value: Any) -> Any:
    """A list of YAML as a tuple; other values as they are."""
    return tuple(value) if isinstance(value, list) else value


def names(value: Any) -> tuple[Any, ...]:
    """One text, or a list of texts, as a tuple."""
    if not isinstance(value, str | list | tuple):
        raise ValueError(f"{shown(value)} is neither a text nor a list of texts")
    return (value,) if isinstance(value, str) else tuple(value)


Names = Annotated[tuple[str, ...], BeforeValidator(names, json_schema_input_type=str | list[str])]
Folders = Annotated[tuple[FilePath, ...], BeforeValidator(names, json_schema_input_type=str | list[str])]


def _seeds(value: Any) -> tuple[int | str, ...]:
    values = tuple(value) if isinstance(value, list) else (value,)
    if random_seeds(values) is None:
        parse_seeds(values)
    return values


Seeds = Annotated[tuple[int | str, ...], BeforeValidator(_seeds, json_schema_input_type=int | str | list[int | str])]


def _canvas_entry(value: Any) -> str:
    if value == CANVAS_OF_INIT:
        return CANVAS_OF_INIT
    parse_canvas(value, native=512)
    return str(value).strip()


def _ratios(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"enum": [*RATIOS, CANVAS_OF_INIT]}, {"pattern": "^ *[0-9]{1,6} *[xX×] *[0-9]{1,6} *$"}]


_CanvasEntry = Annotated[
    str, BeforeValidator(_canvas_entry, json_schema_input_type=str), Field(json_schema_extra=_ratios)
]


def _canvas(value: Any) -> Any:
    return (value,) if isinstance(value, str | int | float) else as_tuple(value)


Canvas = Annotated[
    tuple[_CanvasEntry, ...], BeforeValidator(_canvas, json_schema_input_type=_CanvasEntry | list[_CanvasEntry])
]
