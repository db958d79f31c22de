"""Styles: texts that are added to prompts, from A1111's ``styles.csv`` (columns name, prompt, negative_prompt)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdbatch.config.prompts import StyleSettings, WildcardSettings
from sdbatch.errors import ConfigError, Problem, nearest, shown
from sdbatch.plan.text_file import read_file, table
from sdbatch.plan.wildcards import WildcardFolder
from sdbatch.prompts.expansion import variants

PLACE = "{prompt}"  # where a style puts the prompt; a style without it follows the prompt


@dataclass(frozen=True, slots=True)
class Style:
    prompt: str
    negative: str


@dataclass(frozen=True, slots=True)
class Styles:
    """The styles in use, in the order in which they are applied."""

    used: tuple[Style, ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " + ".join(self.names) or "none"

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
    return Styles(tuple(known[name] for name in settings.use), settings.use)


def swept(value: Any, settings: StyleSettings, wildcards: WildcardSettings, key: str) -> Styles:
    """The styles that one value of a sweep names: a name, several, or none. Raises ConfigError.

    Prompts are expanded before a swept style is applied, so the style itself can be drawn but not be an axis.
    """
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if not isinstance(value, str | list | None) or not all(isinstance(n, str) for n in names):
        raise ConfigError.one(key, f"{shown(value)} is not a name of a style, a list of names or null")
    try:
        found = read_styles(settings.model_copy(update={"use": names}))
        return Styles(tuple(_expanded(style, wildcards) for style in found.used), names)
    except ConfigError as e:
        raise ConfigError(replace(p, key=key if p.key == "styles.use" else p.key) for p in e.problems) from e
    except ValueError as e:
        raise ConfigError.one(key, f"{shown(value)}: {e}") from e


def _expanded(style: Style, settings: WildcardSettings) -> Style:
    texts = variants(style.prompt, WildcardFolder(settings.folder), f"{settings.seed}\0style\0{style.prompt}")
    if len(texts) > 1:
        raise ValueError("its {a|b} cannot be swept; write {~a|b} to draw, or use -m styles.use=a,b")
    return replace(style, prompt=texts[0] if texts else "")


def _unknown(name: str, known: Sequence[str]) -> Problem:
    hint = nearest(name, known) or f"known: {', '.join(known[:20])}"
    return Problem("styles.use", f"there is no style {shown(name)}", hint)


def _read(text: str) -> dict[str, Style]:
    """Styles by name; of equal names the last one, as in A1111. Raises ValueError."""
    rows = table(text)
    columns = [name.strip() for name in next(rows, (0, []))[1]]
    if "name" not in columns or "prompt" not in columns:
        raise ValueError("has no columns name and prompt; A1111's columns are name,prompt,negative_prompt")
    named = (dict(zip(columns, values, strict=False)) for _, values in rows)
    return {r["name"]: Style(r.get("prompt", ""), r.get("negative_prompt", "")) for r in named if r.get("name")}
