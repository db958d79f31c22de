"""Reads a text file that an experiment names, and tables as spreadsheets write them. Paths are relative to the working
folder."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from sdbatch.errors import ConfigError, shown

FILE_LIMIT = 64 * 2**20
_SEPARATORS = (",", ";", "\t")  # spreadsheets of many countries write semicolons
_SAID = re.compile(r'"?sep=([^\w"])"?')  # the first line of a spreadsheet's file
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_file(file: str, key: str) -> str:
    """The text of a file that the key ``key`` names. Raises ConfigError."""
    try:
        path = Path(file).expanduser()
        if path.stat().st_size > FILE_LIMIT:
            raise ConfigError.one(key, f"{shown(file)} is larger than {FILE_LIMIT // 2**20} MiB")
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    except (OSError, ValueError, RuntimeError) as e:  # RuntimeError: ~ without a home
        reason = "it is not UTF-8 text" if isinstance(e, UnicodeError) else getattr(e, "strerror", None) or e
        hint = "paths are relative to the working folder, or to that of the experiment file"
        raise ConfigError.one(key, f"{shown(file)} cannot be read: {reason}", hint) from e
    return text.replace("\r\n", "\n").replace("\r", "\n")


def table(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, values) of every row of CSV that is not empty. Raises ValueError for what is not CSV."""
    head, _, rest = text.partition("\n")
    said = _SAID.fullmatch(head.strip())
    separator = said[1] if said else max(_SEPARATORS, key=head.count)
    skipped = 1 if said else 0
    lines = io.StringIO(rest if said else text)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        yield from ((reader.line_num + skipped, row) for row in reader if any(row))
    except csv.Error as e:
        raise ValueError(f"is not CSV: line {reader.line_num + skipped}: {e}") from e
