"""Picture files of users become upright 8-bit sRGB, and whatever is wrong with them is said in plain words."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from sdbatch.files import digest
from sdbatch.pictures import decode
from sdbatch.pictures.read import pixels, read

RAMP = np.add.outer(np.arange(12) * 6, np.arange(20) * 4)[..., None].astype(np.uint8) + np.array([0, 30, 60], np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


PLAIN = saved(Image.fromarray(RAMP))


def test_lossless_files_keep_their_pixels() -> None:
    assert np.array_equal(decode.decode(PLAIN), RAMP)
    assert np.array_equal(decode.decode(saved(Image.fromarray(RAMP), "WEBP", lossless=True)), RAMP)
    assert np.abs(decode.decode(saved(Image.fromarray(RAMP), "JPEG", quality=98)).astype(int) - RAMP).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_exif_turns_pictures(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    data = saved(Image.fromarray(RAMP), kind, exif=exif, **more)
    upright = {1: RAMP, 3: RAMP[::-1, ::-1], 6: np.rot90(RAMP, -1), 8: np.rot90(RAMP)}[orientation]
    found = decode.decode(data)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= (4 if kind == "JPEG" else 0)
    assert decode.size(data) == upright.shape[1::-1]


def test_alpha_is_kept_and_other_kinds_are_colour() -> None:
    alpha = RAMP[..., :1]
    found = decode.decode(saved(Image.fromarray(np.concatenate([RAMP, alpha], 2))))
    assert np.array_equal(found, np.concatenate([RAMP, alpha], 2))
    grey = RAMP[..., 0]
    assert np.array_equal(decode.decode(saved(Image.fromarray(grey))), np.repeat(grey[..., None], 3, 2))
    two = np.stack([grey, 255 - grey], 2)
    assert np.array_equal(decode.decode(saved(Image.fromarray(two, "LA")))[..., 3], 255 - grey)
    palette = Image.fromarray(RAMP).quantize(16)
    assert np.array_equal(decode.decode(saved(palette)), np.array(palette.convert("RGB")))
    assert decode.decode(saved(palette, transparency=3)).shape == (12, 20, 4)
    assert decode.decode(saved(Image.fromarray(RAMP).convert("CMYK"), "JPEG")).shape == (12, 20, 3)
    assert decode.decode(saved(Image.fromarray(grey > 50))).shape == (12, 20, 3)


def test_16_bits_are_scaled() -> None:
    deep = RAMP[..., 0].astype(np.uint16) * 257
    found = decode.decode(saved(Image.fromarray(deep)))
    assert np.array_equal(found, np.repeat(RAMP[..., :1], 3, 2))


def test_colour_profiles_are_converted_to_srgb() -> None:
    """sRGB itself changes nothing, and neither does what is no profile of such a picture."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(RAMP)
    assert np.array_equal(decode.decode(saved(image, icc_profile=srgb)), RAMP)
    assert np.array_equal(decode.decode(saved(image, icc_profile=b"damaged")), RAMP)
    assert np.array_equal(decode.decode(saved(image, icc_profile=lab)), RAMP)  # of another kind of picture
    swapped = swapped_profile(srgb)
    found = decode.decode(saved(image, icc_profile=swapped)).astype(int)
    assert np.abs(found - RAMP[..., ::-1]).max() <= 2
    clear = np.concatenate([RAMP, 255 - RAMP[..., :1]], 2)
    with_alpha = decode.decode(saved(Image.fromarray(clear), icc_profile=swapped))
    assert np.array_equal(with_alpha[..., 3], clear[..., 3])
    assert np.abs(with_alpha[..., :3].astype(int) - RAMP[..., ::-1]).max() <= 2


def swapped_profile(srgb: bytes) -> bytes:
    """sRGB whose first channel is blue and whose last is red."""
    renamed = srgb.replace("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be"))
    return renamed.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")


def of_size(side: int) -> bytes:
    """A PNG that states another size."""
    header = b"IHDR" + side.to_bytes(4) * 2 + PLAIN[24:29]
    return PLAIN[:12] + header + zlib.crc32(header).to_bytes(4) + PLAIN[33:]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not a picture that can be read (PNG, JPEG, WebP)"),
        (b"GIF89a" + bytes(40), "is not a picture"),
        (PLAIN[:-40], "is a damaged picture"),
        (
            saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), "JPEG")[:2500],
            "is a",
        ),
        (saved(Image.fromarray(RAMP), "WEBP")[:60], "is "),
        (of_size(30_000), "at most 64 million are read"),
        (of_size(9_000), "at most 64 million are read"),
    ],
    ids=["empty", "gif", "truncated png", "truncated jpeg", "truncated webp", "bomb", "huge"],
)
def test_bad_files_are_value_errors(data: bytes, said: str) -> None:
    for each in (decode.decode, decode.size):
        with pytest.raises(ValueError, match=r"^(is|has) ") as error:
            each(data)
        assert said in str(error.value)


def test_files_are_read_by_their_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PLAIN)
    found = read(path)
    assert (found.digest, found.width, found.height) == (digest(PLAIN), 20, 12)
    assert np.array_equal(pixels(path, found.digest), RAMP)
    path.write_bytes(saved(Image.fromarray(RAMP[::-1])))
    assert read(path).digest != found.digest
    with pytest.raises(ValueError, match="has been changed since"):
        pixels(path, found.digest)
    for missing in (tmp_path / "no.png", tmp_path):
        with pytest.raises(ValueError, match=r"cannot be read: No such file|is not a file"):
            read(missing)
