"""Styles: texts that are added to prompts, from A1111's ``styles.csv`` (columns name, prompt, negative_prompt)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from sdbatch.config.prompts import StyleSettings
from sdbatch.errors import ConfigError, Problem, nearest, shown
from sdbatch.plan.text_file import read_file

PLACE = "{prompt}"  # where a style puts the prompt; a style without it follows the prompt


@dataclass(frozen=True, slots=True)
class Style:
    prompt: str
    negative: str


@dataclass(frozen=True, slots=True)
class Styles:
    """The styles in use, in the order in which they are applied."""

    used: tuple[Style, ...] = ()

    def prompt(self, text: str) -> str:
        for style in self.used:
            text = _applied(style.prompt, text)
        return text

    def negative(self, text: str) -> str:
        for style in self.used:
            text = _applied(style.negative, text)
        return text


def _applied(style: str, text: str) -> str:
    """``text`` in ``style``, by the rule of A1111."""
    if PLACE in style:
        return style.replace(PLACE, text)
    return ", ".join(part for part in (text.strip(), style.strip()) if part)


def read_styles(settings: StyleSettings) -> Styles:
    """The styles that ``settings`` select. Raises ConfigError."""
    if not settings.use:
        return Styles()
    if settings.file is None:
        raise ConfigError.one("styles.file", "is missing", "write styles: {file: styles.csv, use: [name]}")
    try:
        known = _read(read_file(settings.file, "styles.file"))
    except ValueError as e:
        raise ConfigError.one("styles.file", f"{shown(settings.file)} {e}") from e
    unknown = [name for name in settings.use if name not in known]
    if unknown:
        raise ConfigError(_unknown(name, list(known)) for name in unknown)
    return Styles(tuple(known[name] for name in settings.use))


def _unknown(name: str, known: Sequence[str]) -> Problem:
    hint = nearest(name, known) or f"known: {', '.join(known[:20])}"
    return Problem("styles.use", f"there is no style {shown(name)}", hint)


def _read(text: str) -> dict[str, Style]:
    """Styles by name; of equal names the last one, as in A1111. Raises ValueError."""
    reader = csv.DictReader(io.StringIO(text), restval="")
    try:
        columns = reader.fieldnames or ()
        if "name" not in columns or "prompt" not in columns:
            raise ValueError("has no columns name and prompt; A1111's columns are name,prompt,negative_prompt")
        return {row["name"]: Style(row["prompt"], row.get("negative_prompt") or "") for row in reader if row["name"]}
    except csv.Error as e:
        raise ValueError(f"is not CSV: {e}") from e
