"""Decodes PNG, JPEG and WebP to upright 8-bit sRGB pixels, with alpha if the file has any.

Files are untrusted; whatever is wrong with them is a ValueError, without the name of the file.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sdbatch.spec.limits import MAX_PIXELS

KINDS = "PNG, JPEG, WebP"
MAX_BYTES = 256 * 2**20
_ORIENTATION = 0x0112  # EXIF
_SWAPPED = range(5, 9)  # orientations that swap the sides
_TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")
_SRGB = ImageCms.createProfile("sRGB")


def decode(data: bytes) -> NDArray[np.uint8]:
    """The pixels (height, width, 3), or 4 with alpha; of a file of several pictures the first."""
    with _opened(data) as image:
        image.load()
        return np.array(_srgb(_upright(image)))


def size(data: bytes) -> tuple[int, int]:
    """(width, height), upright, of a picture that can be decoded: all of its data is read, as fast as possible."""
    with _opened(data) as image:
        width, height = image.size
        turned = _orientation(image) in _SWAPPED
        image.draft(None, (max(1, width // 8), max(1, height // 8)))  # JPEG only: an eighth of the pixels
        image.load()
        return (height, width) if turned else (width, height)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """The picture; errors in the block are ValueErrors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata, and sizes that are checked here
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _too_large(f"{image.width:,} x {image.height:,}")
                yield image
    except Image.DecompressionBombError:
        raise _too_large("far too many") from None
    except UnidentifiedImageError:
        raise ValueError(f"is not a picture that can be read ({KINDS})") from None
    except _TooLargeError:
        raise
    except Exception as e:  # on bad data Pillow raises SyntaxError, OSError, struct.error and more
        raise ValueError(f"is a damaged picture: {e}") from e


class _TooLargeError(ValueError):
    """A picture of too many pixels."""


def _too_large(count: str) -> _TooLargeError:
    return _TooLargeError(f"has {count} pixels; at most {MAX_PIXELS // 1_000_000} million are read")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF does not damage the picture
        return 1


def _upright(image: Image.Image) -> Image.Image:
    if _orientation(image) == 1:
        return image
    profile = image.info.get("icc_profile")
    turned = ImageOps.exif_transpose(image)
    turned.info["icc_profile"] = profile
    return turned


def _srgb(image: Image.Image) -> Image.Image:
    """``image`` as RGB or RGBA in sRGB. A profile that is damaged or of another kind is ignored, as browsers do."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip instead of scale
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    alpha = None
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    image = _converted(image, profile).convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
    return image


def _converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return image
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(own).startswith("sRGB"):  # converting would round
            return image
        done = ImageCms.profileToProfile(image, own, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if done is None else done
