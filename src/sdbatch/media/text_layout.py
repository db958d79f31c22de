"""Text layout: wraps and shortens text to fit a box, with Pillow's built-in font.

That font has ASCII and a few signs. Accents are left out; what else it lacks (桜) is written as its number (\\u685c)
instead of as an empty box: the same on every machine.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple, cast

from PIL.ImageFont import FreeTypeFont, load_default

Font = FreeTypeFont
SIMPLER = str.maketrans({"×": "x", "–": "-", "—": "-", "→": "->", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})


class Block(NamedTuple):
    """Lines ready to draw, and their size in pixels."""

    text: str
    width: float
    height: int


@lru_cache(maxsize=16)
def font(size: int) -> Font:
    """Pillow's own scalable font, ``size`` pixels high."""
    return cast(FreeTypeFont, load_default(size))


def fit(text: str, limit: int) -> str:
    """One line of at most ``limit`` printable characters, with an ellipsis if it is shortened."""
    line = " ".join("".join(map(_drawn, text[: 4 * limit])).split())
    return line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1].rstrip() + "…"


@lru_cache(maxsize=4096)
def _drawn(letter: str) -> str:
    """``letter`` as the font can write it."""
    if not letter.isprintable():
        return " "
    if letter.isascii() or _has(letter):
        return letter
    plain = letter.translate(SIMPLER) if ord(letter) in SIMPLER else unicodedata.normalize("NFKD", letter)
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return bare if bare.isascii() else letter.encode("ascii", "backslashreplace").decode()


def _has(letter: str) -> bool:
    missing, found = (font(20).getmask(c) for c in ("\U0010fffe", letter))
    return bytes(found) != bytes(missing)


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
