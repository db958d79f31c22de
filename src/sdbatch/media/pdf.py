"""A picture as a PDF of one page. The same pixels give the same bytes: no date, no user name and no random id."""

from __future__ import annotations

import io
from html import escape
from pathlib import Path

from PIL import Image

from sdbatch.spec.renderer import Pixels

DPI = 150
QUALITY = 92  # of the embedded JPEG
WIDTH, MARGIN = 482.0, 12.0  # of a figure, in points: 17 cm
_FONT = "Vera"  # comes with reportlab


def encode(pixels: Pixels, title: str) -> bytes:
    """PDF bytes of ``pixels`` (height, width, 3) uint8."""
    out = io.BytesIO()
    none = {"creationDate": None, "modDate": None}
    Image.fromarray(pixels).save(out, "PDF", resolution=DPI, quality=QUALITY, title=title, **none)
    return out.getvalue()


def figure(pixels: Pixels, title: str, caption: str) -> bytes:
    """PDF bytes of a figure for a paper: ``pixels`` as wide as a page of text, and the caption below, as text.

    Signs that the font does not have are still in the text, where search and copying find them.
    """
    import reportlab
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Paragraph

    pdfmetrics.registerFont(TTFont(_FONT, Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"))
    text = Paragraph(escape(caption), ParagraphStyle("caption", fontName=_FONT, fontSize=8, leading=10))
    _, below = text.wrap(WIDTH, 10_000)
    height = WIDTH * pixels.shape[0] / pixels.shape[1]
    out = io.BytesIO()
    page = Canvas(out, (WIDTH + 2 * MARGIN, height + below + 3 * MARGIN), invariant=1)
    page.setTitle(title)
    page.drawImage(ImageReader(Image.fromarray(pixels)), MARGIN, below + 2 * MARGIN, WIDTH, height)
    text.drawOn(page, MARGIN, MARGIN)
    page.save()
    return out.getvalue()
