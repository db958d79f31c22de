"""``output.names``: a template for the file names of jobs, such as ``{prompt}-{sampling.steps}``. Pure.

Names are safe on every system: ASCII letters, digits and ``. _ - + = ,``, at most ``LONGEST`` characters. They are
unique, because the job's id is always in them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from sdbatch.config.keys import LISTS, SWEEPABLE
from sdbatch.errors import ConfigError, Problem, Problems, nearest, shown
from sdbatch.motion.schedule import Key
from sdbatch.plan.axes import label
from sdbatch.spec.file_names import LONGEST, naming
from sdbatch.spec.jobs import Job

KEY = "output.names"
VALUE = 60  # characters of one value
_SAFE = "A-Za-z0-9._+=,-"
_PART = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<text>[^{}]+)|(?P<brace>[{}])")
_FIELD = re.compile(r"(?P<name>[^:]*)(?::(?P<width>[1-9]\d?))?")


@dataclass(frozen=True, slots=True)
class _Field:
    """A value of the job; of ``width`` characters: longer texts are cut, shorter numbers get zeros."""

    name: str
    width: int = 0

    def text(self, job: Job) -> str:
        value = _get(self.name)(job)
        number = not isinstance(value, bool) and isinstance(value, int | float)
        text = str(value) if isinstance(value, int) else _ascii(_shown(self.name, value), number)
        if self.width:
            text = text.zfill(self.width) if number else text[: self.width].rstrip("-")
        return text[:VALUE]


@dataclass(frozen=True, slots=True)
class Template:
    """``parts``: texts, and the fields between them."""

    parts: tuple[str | _Field, ...]

    def named(self, job: Job) -> Job:
        """``job`` with the name of its file. Its id must be set."""
        slug, name = naming(self._stem(job), job.shot.seed, job.id)
        return replace(job, slug=slug, name=name)

    def _stem(self, job: Job) -> str:
        out = ""
        for part in self.parts:
            text = part if isinstance(part, str) else part.text(job)
            out = out + text if text else out.rstrip("-_")  # nothing between two separators: one of them
        stem = out.strip(".-_")
        if job.id not in stem:
            stem = f"{stem[: LONGEST - len(job.id) - 1].rstrip('.-_')}-{job.id}".lstrip("-")
        elif len(stem) > LONGEST:
            rest = stem.replace(job.id, "").strip(".-_")
            stem = f"{rest[: LONGEST - len(job.id) - 1].rstrip('.-_')}-{job.id}"
        return stem


def template(text: str | None) -> tuple[Template | None, list[Problem]]:
    """The template in ``text``, or None for the usual names; and every mistake in it."""
    if text is None:
        return None, []
    problems = Problems([] if text else [Problem(KEY, "is empty", "null gives the usual names")])
    parts: list[str | _Field] = []
    for m in _PART.finditer(text):
        with problems:
            parts.append(_field(m["field"]) if m["field"] is not None else _text(m["text"] or m["brace"]))
    return Template(tuple(parts)), list(dict.fromkeys(problems))


def _text(text: str) -> str:
    if wrong := re.sub(f"[{_SAFE}]", "", text):
        hint = "output.folder and name choose the folder" if "/" in wrong else "letters, digits and . _ - + = , are"
        raise ConfigError.one(KEY, f"{shown(''.join(dict.fromkeys(wrong)))} cannot be in a file name", hint)
    return text


def _field(text: str) -> _Field:
    found = _FIELD.fullmatch(text)
    if found is None:
        raise ConfigError.one(KEY, f"{{{text}}} has no valid width", "for example {seed:4} or {prompt:20}")
    if (name := found["name"]) not in FIELDS:
        known = [f for f in FIELDS if f.endswith(f".{name}")]
        hint = f"did you mean {known[0]!r}?" if known else nearest(name, FIELDS) or f"known: {', '.join(FIELDS)}"
        raise ConfigError.one(KEY, f"unknown field {{{name}}}", hint)
    return _Field(name, int(found["width"] or 0))


@lru_cache(maxsize=4096)  # neighbouring jobs share most values
def _ascii(text: str, number: bool) -> str:
    """``text`` in safe characters. The sign of a number is kept."""
    plain = unicodedata.normalize("NFKD", text[:400]).encode("ascii", "ignore").decode()
    safe = re.sub(f"[^{_SAFE}]+", "-", plain)
    return safe if number else safe.strip(".-_")


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    return label(name, value) if "." in name else str(value)


def _constant(value: Any) -> Any:
    """The number of a schedule that does not change."""
    return value[0].value if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], Key) else value


def _labels(key: str) -> Callable[[Job], Any]:
    return lambda job: dict(job.labels).get(key, "")


def _sweep(job: Job) -> str:
    """The values of the sweep: ``steps-20_guidance-7.5``."""
    return "_".join(_pairs(job))


def _pairs(job: Job) -> Iterator[str]:
    for key, _ in job.labels:
        if key not in LISTS:
            yield _pair(key, _get(key)(job))


@lru_cache(maxsize=4096, typed=True)
def _pair(key: str, value: Any) -> str:
    return f"{key.rpartition('.')[2]}-{_shown(key, value)}"


@cache
def _get(name: str) -> Callable[[Job], Any]:
    """What gives the value of a field."""
    if name in _OWN:
        return _OWN[name]
    section, _, key = name.partition(".")
    if section == "sampling":
        return lambda job: getattr(job.shot, key)
    if section == "init":
        return lambda job: "" if job.shot.init is None else getattr(job.shot.init, _INIT.get(key, key))
    if section in ("motion", "encoding"):
        return lambda job: "" if job.video is None else _constant(getattr(getattr(job.video, section), key))
    return _labels(name)


_INIT = {"image": "picture", "video": "picture"}
_OWN: dict[str, Callable[[Job], Any]] = {
    "id": lambda job: job.id,
    "prompt": _labels("prompts"),
    "prompts": _labels("prompts"),
    "seed": lambda job: job.shot.seed,
    "seeds": lambda job: job.shot.seed,
    "size": lambda job: f"{job.size.width}x{job.size.height}",
    "negative": lambda job: job.shot.negative,
    "sweep": _sweep,
}
FIELDS = (*_OWN, *(key for key in SWEEPABLE if key not in _OWN))
