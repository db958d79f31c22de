"""A picture as a PDF of one page. The same pixels give the same bytes: no date and no user name."""

from __future__ import annotations

import io

from PIL import Image

from sdbatch.spec.renderer import Pixels

DPI = 150
QUALITY = 92  # of the embedded JPEG


def encode(pixels: Pixels, title: str) -> bytes:
    """PDF bytes of ``pixels`` (height, width, 3) uint8."""
    out = io.BytesIO()
    none = {"creationDate": None, "modDate": None}
    Image.fromarray(pixels).save(out, "PDF", resolution=DPI, quality=QUALITY, title=title, **none)
    return out.getvalue()
