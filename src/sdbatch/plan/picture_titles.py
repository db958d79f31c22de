"""Short names that tell the pictures on an axis apart: ``sea``, and of two ``sea.png`` and ``sea.jpg``, or with the
folders above where these are the same. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from sdbatch.spec.control import Control
from sdbatch.spec.pictures import InputPicture


def told_apart(values: Sequence[Any]) -> list[Any]:
    """The values of an axis, pictures or sets of ControlNets, with the titles of their pictures."""
    titles = titles_of(picture.path for value in values for picture in _pictures(value))
    return [_with_titles(value, titles) for value in values]


def titles_of(paths: Iterable[str]) -> dict[str, str]:
    """The shortest title of each path that no other one has."""
    names = {path: list(_names(PurePath(path))) for path in dict.fromkeys(paths)}
    titles = {path: found[0] for path, found in names.items()}
    for level in range(1, max(map(len, names.values()), default=0)):
        common = {title for title, count in Counter(titles.values()).items() if count > 1}
        titles |= {p: names[p][min(level, len(names[p]) - 1)] for p, title in titles.items() if title in common}
    return titles


def _names(path: PurePath) -> Iterator[str]:
    yield path.stem
    parts = path.parts
    yield from ("/".join(parts[-count:]) for count in range(1, len(parts) + 1))


def _pictures(value: Any) -> Iterator[InputPicture]:
    for each in value if isinstance(value, tuple) else (value,):
        picture = each.picture if isinstance(each, Control) else each
        if isinstance(picture, InputPicture):
            yield picture


def _with_titles(value: Any, titles: dict[str, str]) -> Any:
    if isinstance(value, tuple):
        return tuple(_with_titles(each, titles) for each in value)
    if isinstance(value, Control):
        return replace(value, picture=_with_titles(value.picture, titles))
    return replace(value, title=titles[value.path]) if isinstance(value, InputPicture) else value
