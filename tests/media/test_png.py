"""PNG: exact, the same every time, readable by others, and safe on anything."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdbatch import files
from sdbatch.media import png
from sdbatch.media.chunks import MAX_TEXT, SIGNATURE, chunk

PIXELS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
SMALL = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 7, 5, 8, 2, 0, 0, 0))
quick = settings(max_examples=60, deadline=None, derandomize=True)


@given(PIXELS, TEXT, TEXT)
@quick
def test_pixels_and_texts_come_back_exactly(pixels: np.ndarray, first: str, second: str) -> None:
    data = png.encode(pixels, {"parameters": first, "sdbatch": second}, xmp="<x/>")
    assert np.array_equal(png.decode(data), pixels)
    assert png.read_text(data) == {"parameters": first, "sdbatch": second, png.XMP_KEY: "<x/>"}
    assert data == png.encode(pixels, {"parameters": first, "sdbatch": second}, xmp="<x/>")


@given(PIXELS, TEXT)
@quick
def test_pillow_reads_the_same(pixels: np.ndarray, text: str) -> None:
    with Image.open(io.BytesIO(png.encode(pixels, {"parameters": text}))) as image:
        image.load()
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), pixels)
        assert image.text["parameters"] == text  # type: ignore[attr-defined]


def test_views_and_slices_are_encoded_as_they_look() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    for view in (pixels[::-1], pixels[:, ::2], pixels[..., ::-1], np.swapaxes(pixels, 0, 1)):
        assert np.array_equal(png.decode(png.encode(view)), view)
        assert png.pixel_digest(view) == png.pixel_digest(view.copy())


def test_latin_text_is_text_and_other_text_is_international() -> None:
    data = png.encode(SMALL, {"a": "café", "b": "鳥居 🌅"})
    assert b"tEXta\0caf\xe9" in data
    assert b"iTXtb\0" in data
    assert png.read_text(data) == {"a": "café", "b": "鳥居 🌅"}


def test_what_png_cannot_hold_is_replaced() -> None:
    assert png.read_text(png.encode(SMALL, {"a": "x\0y", "b": "\ud800"})) == {"a": "x\ufffdy", "b": "?"}


def test_texts_of_other_programs_are_read() -> None:
    info = PngInfo()
    info.add_text("plain", "a: 1")
    info.add_text("packed", "b" * 500, zip=True)
    info.add_itxt("wide", "鳥" * 500, zip=True)
    out = io.BytesIO()
    Image.fromarray(SMALL).save(out, "PNG", pnginfo=info)
    assert png.read_text(out.getvalue()) == {"plain": "a: 1", "packed": "b" * 500, "wide": "鳥" * 500}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_other_kinds_of_png_become_rgb(mode: str) -> None:
    grey = np.array([[0, 255], [255, 0]], np.uint8)
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    out = io.BytesIO()
    image.save(out, "PNG")
    assert np.array_equal(png.decode(out.getvalue()), np.repeat(grey[..., None], 3, axis=2))


def test_digests() -> None:
    assert png.pixel_digest(SMALL) == "b2:3eacfb3b7a195ad2d74945c172ff6093"
    assert png.pixel_digest(SMALL) != png.pixel_digest(SMALL.reshape(7, 5, 3))
    assert len(png.pixel_digest(SMALL)) == 35


def test_file_digest_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.file_digest(tmp_path / "a") == "b2:cf4ab791c62b8d2b2109c90275287816"


@pytest.mark.parametrize("key", ["", "a" * 80, " a", "ä", "a\n"])
def test_bad_keys_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        png.encode(SMALL, {key: "x"})


@pytest.mark.parametrize("bad", [SMALL[..., :2], SMALL[..., 0], SMALL.astype(np.float32), SMALL[:0]])
def test_other_arrays_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not uint8"):
        png.encode(bad)


def _bomb(width: int, height: int) -> bytes:
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")


HUGE = zlib.compress(bytes(MAX_TEXT + 1), 9)
HOSTILE = {
    "empty": (b"", "not a PNG"),
    "no png": (b"GIF89a" + bytes(100), "not a PNG"),
    "signature only": (SIGNATURE, "truncated"),
    "no header": (SIGNATURE + chunk(b"IEND", b""), "IHDR is not the first"),
    "short header": (SIGNATURE + chunk(b"IHDR", b"\0" * 5), "wrong length"),
    "two headers": (SIGNATURE + HEADER + HEADER, "not the only one"),
    "size bomb": (_bomb(100_000, 100_000), "pixels"),
    "most negative size": (_bomb(2**32 - 1, 2**32 - 1), "pixels"),
    "no pixels": (_bomb(0, 5), "pixels"),
    "no picture": (SIGNATURE + HEADER + chunk(b"IEND", b"") + b"rest", "cannot load"),
    "length lies": (SIGNATURE + HEADER + struct.pack(">I", 2**31) + b"IDATabc", "bytes of data"),
    "endless text": (SIGNATURE + HEADER + struct.pack(">I", 2**32 - 1) + b"tEXtabc", "truncated"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_value_errors(name: str, tmp_path: Path) -> None:
    data, message = HOSTILE[name]
    (tmp_path / "a.png").write_bytes(data)
    for source in (data, tmp_path / "a.png"):
        with pytest.raises(ValueError, match=message):
            png.decode(source)


def test_the_number_of_pixels_is_limited_before_any_is_read() -> None:
    assert png.read_text(_bomb(8000, 8000)) == {}
    for read in (png.read_text, png.decode):
        with pytest.raises(ValueError, match="8001x8000: more than 64,000,000 pixels"):
            read(_bomb(8001, 8000))


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"zTXt", b"a\0\0" + HUGE),
        chunk(b"iTXt", b"a\0\1\0\0\0" + HUGE),
        chunk(b"tEXt", b"a\0" + bytes(MAX_TEXT + 1)),
        chunk(b"tEXt", b"a\0" + b"x" * (MAX_TEXT // 2 + 1)) * 2,
        chunk(b"tEXt", b"no end"),
        chunk(b"iTXt", b"a\0\1"),
        chunk(b"zTXt", b"a\0\0not zlib"),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 100)[:-8]),
        chunk(b"tEXt", b"a\0b")[:-1] + b"?",
    ],
    ids=["zTXt bomb", "iTXt bomb", "long", "many", "no key", "short", "no zlib", "cut zlib", "wrong checksum"],
)
def test_hostile_texts_are_value_errors(text: bytes) -> None:
    with pytest.raises(ValueError, match="PNG"):
        png.read_text(SIGNATURE + HEADER + text + chunk(b"IEND", b""))


def test_a_wrong_checksum_and_a_cut_picture_are_found() -> None:
    data = bytearray(png.encode(np.zeros((50, 50, 3), np.uint8), {"a": "b"}))
    data[data.index(b"IDAT") + 6] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        png.decode(bytes(data))
    assert png.read_text(bytes(data)) == {"a": "b"}


def test_a_missing_file_is_a_value_error(tmp_path: Path) -> None:
    for path in (tmp_path / "no.png", tmp_path):
        with pytest.raises(ValueError, match="cannot be read"):
            png.read_text(path)


@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_damaged_bytes_raise_nothing_but_value_errors(data: st.DataObject) -> None:
    whole = bytearray(png.encode(SMALL, {"parameters": "a, b", "wide": "鳥"}, xmp="<x/>"))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for read in (png.decode, png.read_text):
        with suppress(ValueError):
            read(cut)


@given(st.binary(max_size=60), st.sampled_from([b"IDAT", b"PLTE", b"tRNS"]), st.integers(0, 255), st.integers(0, 255))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_valid_chunks_of_nonsense_raise_nothing_but_value_errors(body: bytes, kind: bytes, a: int, b: int) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 7, 5, a, b, 0, 0, a % 2))
    with suppress(ValueError):
        png.decode(SIGNATURE + header + chunk(kind, body) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))
