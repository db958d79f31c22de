"""Text layout: wraps and shortens text to fit a box."""

from __future__ import annotations

from typing import NamedTuple

from sdbatch.media.fonts import Font


class Block(NamedTuple):
    """Lines ready to draw, and their size in pixels."""

    text: str
    width: float
    height: int


def fit(text: str, limit: int) -> str:
    """One line of at most ``limit`` printable characters, with an ellipsis if it is shortened."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1].rstrip() + "…"


def block(text: str, letters: Font, width: int, lines: int) -> Block:
    """``text`` in at most ``lines`` lines of at most ``width`` pixels; words too long for a line are cut."""
    rest, out = fit(text, 400), list[str]()
    while rest and len(out) < lines:
        end = _line_end(rest, letters, width)
        out.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    if rest:
        out[-1] = _shorten(out[-1], letters, width)
    ascent, descent = letters.getmetrics()
    height = len(out) * (ascent + descent + 4)
    return Block("\n".join(out), max((letters.getlength(line) for line in out), default=0.0), height)


def _line_end(text: str, letters: Font, width: int) -> int:
    """How many characters fit on the first line: up to a space if there is one, at least one."""
    end = len(text)
    if letters.getlength(text) > width:
        end = next((n for n in range(1, len(text)) if letters.getlength(text[: n + 1]) > width), len(text))
        space = text.rfind(" ", 0, end + 1)
        end = space if space > 0 else end
    return end


def _shorten(line: str, letters: Font, width: int) -> str:
    while line and letters.getlength(line + "…") > width:
        line = line[:-1]
    return line.rstrip() + "…"
