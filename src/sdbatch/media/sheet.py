"""Contact sheets: a labelled grid of pictures. Does not know jobs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np
from PIL import Image, ImageDraw

from sdbatch.media.fonts import SHIPPED, Face, Font
from sdbatch.media.text_layout import block, fit
from sdbatch.spec.renderer import Pixels

MAX_CELLS = 10_000
LANDSCAPE = 1.5  # preferred ratio of columns to rows
PAPER, INK, EMPTY, RED = "#fbfbf9", "#1c1c1e", "#ececea", "#b3261e"
MARGIN, GAP = 32, 12
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: ``picture`` loads its pixels, or is None; ``reason`` then says why there is no picture."""

    picture: Callable[[], Pixels] | None = None
    reason: str = ""
    caption: str = ""  # drawn under the picture


@dataclass(slots=True)
class _Grid:
    """Thumbnails and their positions."""

    thumbs: list[Image.Image | str]  # a str is the reason why there is no picture
    columns: list[str]
    rows: list[str]
    side: int
    captions: list[str]
    face: Face
    usual: Size = field(init=False)  # of a field without a picture
    under: int = field(init=False)  # height of the captions, two lines at most

    def __post_init__(self) -> None:
        sizes = Counter(t.size for t in self.thumbs if not isinstance(t, str))
        self.usual = sizes.most_common(1)[0][0] if sizes else (self.side, self.side)
        blocks = [block(text, self.letters, self.usual[0], 2) for text in self.captions if text]
        self.under = max((b.height + 6 for b in blocks), default=0)

    def size(self, index: int) -> Size:
        thumb = self.thumbs[index] if index < len(self.thumbs) else ""
        return self.usual if isinstance(thumb, str) else thumb.size

    def widths(self, letters: Font) -> list[int]:
        """Of the columns: the widest picture, and room for the label up to 140 pixels."""
        n = len(self.columns)
        labels = [min(140, math.ceil(letters.getlength(fit(text, 200)))) for text in self.columns]
        return [max(labels[c], *(self.size(r * n + c)[0] for r in range(len(self.rows)))) for c in range(n)]

    def heights(self) -> list[int]:
        n = len(self.columns)
        return [max(self.size(r * n + c)[1] for c in range(n)) + self.under for r in range(len(self.rows))]

    @property
    def letters(self) -> Font:
        return self.face.at(14 if self.side >= 128 else 11)


def sheet(
    cells: Sequence[Cell], columns: Sequence[str], rows: Sequence[str], title: str, face: Face = SHIPPED
) -> Pixels:
    """The cells (row after row) under their column and beside their row labels, as (height, width, 3) uint8.

    No labels on one side mean one column or row there. Memory holds one whole picture at a time. ValueError for more
    than 10,000 cells or more cells than fields; a cell whose loading fails with ValueError shows that message.
    """
    columns, rows = list(map(face.shown, columns)) or [""], list(map(face.shown, rows)) or [""]
    count = len(columns) * len(rows)
    if not len(cells) <= count <= MAX_CELLS:
        raise ValueError(f"{len(cells)} cells in {len(columns)} x {len(rows)} fields; at most {MAX_CELLS:,} fit")
    side = max(64, min(320, 3600 // len(columns), math.isqrt(40_000_000 // count)))
    captions = [face.shown(cell.caption) for cell in cells]
    grid = _Grid([_thumb(cell, side) for cell in cells], columns, rows, side, captions, face)
    return np.asarray(_draw(grid, face.shown(title)))


def wrapped(cells: Sequence[Cell], labels: Sequence[str], title: str, face: Face = SHIPPED) -> Pixels:
    """The cells in as many rows as give a landscape format, each with its label under it; arguments as in ``sheet``."""
    count = math.ceil(math.sqrt(LANDSCAPE * len(cells)))
    while count > 1 and count * math.ceil(len(cells) / count) > MAX_CELLS:
        count -= 1
    captioned = [replace(cell, caption=label) for cell, label in zip(cells, labels, strict=True)]
    return sheet(captioned, [""] * count, [""] * math.ceil(len(cells) / count), title, face)


def _thumb(cell: Cell, side: int) -> Image.Image | str:
    if cell.picture is None:
        return cell.reason
    try:
        image = Image.fromarray(cell.picture())
    except ValueError as e:
        return str(e)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def _draw(grid: _Grid, title: str) -> Image.Image:
    head, small = grid.face.at(24), grid.letters
    widths, heights = grid.widths(small), grid.heights()
    above = [block(text, small, width, 3) for text, width in zip(grid.columns, widths, strict=True)]
    beside = [block(text, small, 200, max(1, h // 20)) for text, h in zip(grid.rows, heights, strict=True)]
    left = MARGIN + max((math.ceil(b.width) + 16 for b in beside if b.text), default=0)
    total = left + sum(widths) + GAP * (len(widths) - 1) + MARGIN
    heading = block(title, head, max(total, 480) - 2 * MARGIN, 2)
    total = max(total, math.ceil(heading.width) + 2 * MARGIN)
    names = MARGIN + (heading.height + 20 if heading.text else 0)
    top = names + (max(b.height for b in above) + 10 if any(grid.columns) else 0)
    bottom = top + sum(heights) + GAP * (len(heights) - 1) + MARGIN

    image = Image.new("RGB", (total, bottom), PAPER)
    pen = ImageDraw.Draw(image)
    pen.multiline_text((MARGIN, MARGIN), heading.text, fill=INK, font=head)
    lefts, tops = _starts(left, widths), _starts(top, heights)
    for label, x, width in zip(above, lefts, widths, strict=True):
        place = (x + width / 2, top - 10)
        pen.multiline_text(place, label.text, fill=INK, font=small, anchor="md", align="center")
    for label, y, height in zip(beside, tops, heights, strict=True):
        pen.multiline_text((left - 16, y + height / 2), label.text, fill=INK, font=small, anchor="rm", align="right")
    for index, thumb in enumerate(grid.thumbs):
        row, column = divmod(index, len(widths))
        width, height = grid.size(index)
        room = heights[row] - grid.under
        at = (lefts[column] + (widths[column] - width) // 2, tops[row] + (room - height) // 2)
        caption = block(grid.captions[index], small, widths[column], 2)
        under = (lefts[column] + widths[column] / 2, tops[row] + room + 6)
        pen.multiline_text(under, caption.text, fill=INK, font=small, anchor="ma", align="center")
        if isinstance(thumb, str):
            _missing(pen, at, (width, height), grid.face.shown(thumb), grid.face)
        else:
            image.paste(thumb, at)
    return image


def _starts(first: int, lengths: Iterable[int]) -> list[int]:
    return list(accumulate((length + GAP for length in lengths), initial=first))[:-1]


def _missing(pen: ImageDraw.ImageDraw, at: Size, size: Size, reason: str, face: Face) -> None:
    """Draw an empty cell; with a reason, crossed out with the reason in the middle."""
    (x, y), (width, height) = at, size
    right, bottom = x + width - 1, y + height - 1
    pen.rectangle((x, y, right, bottom), fill=EMPTY)
    if not reason:
        return
    pen.rectangle((x, y, right, bottom), outline=RED)
    pen.line((x, y, right, bottom), fill=RED)
    pen.line((x, bottom, right, y), fill=RED)
    letters = face.at(12 if width >= 128 else 10)
    words = block(reason, letters, max(20, width - 24), max(1, (height - 24) // 16))
    middle = (x + width / 2, y + height / 2)
    box = pen.multiline_textbbox(middle, words.text, font=letters, anchor="mm", align="center")
    pen.rectangle((box[0] - 6, box[1] - 4, box[2] + 6, box[3] + 4), fill=EMPTY)
    pen.multiline_text(middle, words.text, fill=RED, font=letters, anchor="mm", align="center")
