"""Reads and writes the chunks of PNG files, and decodes texts. Does not decode pictures. All errors are ValueErrors.

PNG specification (third edition), sections 5 (structure) and 11.3.3 (textual information).
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import BinaryIO

from sdbatch.spec.limits import MAX_PIXELS

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT = 16_000_000  # bytes of all texts of a file together, decompressed
MAX_DATA = 256_000_000  # bytes of all chunks read from a file


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk: length, kind, data, CRC."""
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))))


def text_chunk(key: str, value: str, international: bool = False) -> bytes:
    """A tEXt chunk if Latin-1 suffices (all readers support it), else iTXt. NUL, which ends a text, is replaced."""
    value = value.replace("\0", "\ufffd")
    if not (0 < len(key) < 80 and key.isascii() and key.isprintable() and key == key.strip()):
        raise ValueError(f"{key[:80]!r} is not a key for a PNG text: 1-79 printable ASCII characters")
    if not international:
        try:
            return chunk(b"tEXt", key.encode() + b"\0" + value.encode("latin-1"))
        except UnicodeEncodeError:
            pass
    return chunk(b"iTXt", key.encode() + b"\0\0\0\0\0" + value.encode("utf-8", "replace"))


def read_text_chunk(kind: bytes, data: bytes, room: int) -> tuple[str, str]:
    """(key, text) of a tEXt, zTXt or iTXt chunk; ValueError if it is damaged or has more than ``room`` bytes."""
    key, found, value = data.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = value[:1] == b"\1"
        parts = value[2:].split(b"\0", 2)  # language, translated key, text
        found = found if len(parts) == 3 and len(value) > 2 else b""
        value = parts[-1]
    elif packed:
        value = value[1:]
    if not found:
        raise ValueError(f"damaged PNG: {kind.decode()} chunk without its fields")
    value = _inflate(value, room) if packed else value
    if len(value) > room:
        raise ValueError(f"PNG with more than {MAX_TEXT:,} bytes of text")
    return key.decode("latin-1"), value.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")


def walk(source: bytes | Path | str, kinds: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(kind, data) of the chunks of ``kinds`` up to IEND, CRC and size checked; the others are skipped unread."""
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as stream:
            yield from _walk(stream, kinds)
    except OSError as e:
        raise ValueError(f"cannot be read: {e.strerror or e}") from e


def _walk(stream: BinaryIO, kinds: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    if stream.read(8) != SIGNATURE:
        raise ValueError("not a PNG")
    first, left = True, MAX_DATA
    while True:
        length, kind = struct.unpack(">I4s", _exactly(stream, 8))
        if first != (kind == b"IHDR"):
            raise ValueError("damaged PNG: IHDR is not the first chunk, or not the only one")
        if kind == b"IEND":
            return
        if first or kind in kinds:
            left -= length
            if left < 0:
                raise ValueError(f"PNG with more than {MAX_DATA:,} bytes of data")
            data = _exactly(stream, length)
            if struct.unpack(">I", _exactly(stream, 4))[0] != zlib.crc32(data, zlib.crc32(kind)):
                raise ValueError(f"damaged PNG: wrong checksum in {kind!r}")
            if first:
                _check_size(data)
            if kind in kinds:
                yield kind, data
        else:
            stream.seek(length + 4, os.SEEK_CUR)
        first = False


def _check_size(header: bytes) -> None:
    if len(header) != 13:
        raise ValueError("damaged PNG: IHDR has the wrong length")
    width, height = struct.unpack(">II", header[:8])
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f"PNG of {width}x{height}: more than {MAX_PIXELS:,} pixels, or none")


def _exactly(stream: BinaryIO, length: int) -> bytes:
    """``length`` bytes, read in pieces of at most 1 MiB, so that a forged length allocates no memory."""
    pieces = []
    while length:
        piece = stream.read(min(length, 1 << 20))
        if not piece:
            raise ValueError("truncated PNG")
        pieces.append(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _inflate(data: bytes, room: int) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        out = unpacker.decompress(data, room + 1)
    except zlib.error as e:
        raise ValueError(f"damaged PNG: {e}") from e
    if not unpacker.eof and len(out) <= room:
        raise ValueError("damaged PNG: compressed text ends early")
    return out
