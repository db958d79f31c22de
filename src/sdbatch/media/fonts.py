"""The font of labels: one for a whole sheet, which has the letters of all of its texts if any font here has them.

The shipped one has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and Arabic letters. Fonts of Chinese, Japanese
and Korean are too large to ship; the system's is used. A letter that no font has is drawn as a box.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

Font = FreeTypeFont
BOX = "□"
_FILE = Path(__file__).parent / "font" / "DejaVuSans.ttf"
# Searched by Pillow in the folders of the system. Each has Latin letters as well.
SYSTEM = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKjp-Regular.otf",
    "NotoSansJP-Regular.ttf",
    "SourceHanSans-Regular.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "DroidSansFallbackFull.ttf",
    "DroidSansFallback.ttf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "ipag.ttf",
    "NanumGothic.ttf",
    "unifont.otf",
    "unifont.ttf",
    "FreeSans.ttf",
)


@dataclass(frozen=True, slots=True)
class Face:
    """A font of any size. ``source`` is a file, or the name of one in a folder of the system."""

    source: str

    def at(self, size: int) -> Font:
        """This font, ``size`` pixels high. Raises OSError."""
        return _open(self.source, size)

    def lacks(self, texts: Iterable[str]) -> str:
        """The letters of ``texts`` that this font has no picture for."""
        return "".join(sorted({c for text in texts for c in text if not _has(self.source, c)}))

    def shown(self, text: str) -> str:
        """``text`` with boxes for what this font lacks."""
        return "".join(c if _has(self.source, c) else BOX for c in text)


SHIPPED = Face(str(_FILE))


def choose(texts: Iterable[str], wanted: str | None = None) -> Face:
    """The font that has most letters of ``texts``; ``wanted`` goes first. Raises OSError for that one."""
    letters = "".join({c for text in texts for c in text})
    best, fewest = SHIPPED, len(letters) + 1
    for face in _candidates(wanted):
        if (missing := len(face.lacks([letters]))) < fewest:
            best, fewest = face, missing
        if not missing:
            break
    return best


def _candidates(wanted: str | None) -> Iterator[Face]:
    if wanted is not None:
        Face(wanted).at(20)
        yield Face(wanted)
    yield SHIPPED
    yield from (Face(name) for name in SYSTEM if _exists(name))


@lru_cache(maxsize=64)
def _open(source: str, size: int) -> Font:
    return ImageFont.truetype(source, size)


@lru_cache(maxsize=64)
def _exists(name: str) -> bool:
    try:
        _open(name, 20)
    except OSError:
        return False
    return True


@lru_cache(maxsize=8192)
def _has(source: str, letter: str) -> bool:
    """Whether the font draws ``letter`` differently from a letter that no font has. What has no picture counts."""
    if letter.isspace() or not letter.isprintable() or unicodedata.category(letter)[0] in "MZC":
        return True
    missing, found = (_open(source, 20).getmask(c) for c in ("\U0010fffe", letter))
    return bytes(found) != bytes(missing) or found.size != missing.size
