"""Tables and texts as spreadsheets and other programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.building import planned, problems

ROWS = [("one", "a sea; calm, blue", "fog"), ("two", "a ship", "")]


@pytest.mark.parametrize(
    "data",
    [
        b'id;text;negative\r\none;"a sea; calm, blue";fog\r\ntwo;a ship;\r\n',
        b'\xef\xbb\xbfid;text;negative\r\none;"a sea; calm, blue";fog\r\ntwo;a ship\r\n',
        b'sep=;\r\nid;text;negative\r\none;"a sea; calm, blue";fog\r\ntwo;a ship;\r\n',
        b'"sep=|"\nid|text|negative\none|a sea; calm, blue|fog\ntwo|a ship|\n',
        b'id;text;negative;;\r\none;"a sea; calm, blue";fog;;\r\n;;;;\r\ntwo;a ship;;;\r\n',
        "id\ttext\tnegative\r\none\ta sea; calm, blue\tfog\r\ntwo\ta ship\r\n".encode("utf-16"),
        b'id,text,negative\rone,"a sea; calm, blue",fog\rtwo,a ship,\r',
    ],
)
def test_every_spreadsheet_is_read(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_bytes(data)
    found = [(dict(j.labels)["prompts"], j.shot.prompt, j.shot.negative) for j in planned(prompts=[{"file": "p.csv"}])]
    assert found == ROWS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"sep=;\ntext;negativ\na;b\n", "has an unknown column 'negativ' (did you mean 'negative'?)"),
        (b"sep=;\ntext\n\n;a\n", "line 4"),
        (b'sep="\ntext\na\n', "has an unknown column"),
        (b"text;negative\na;b;c\n", "line 2: 3 values for 2 columns"),
        ("text\nJos\xe9\n".encode("latin-1"), "it is not UTF-8 text"),
        (b"\xff\xfe\x00", "it is not UTF-8 text"),
        (b"", "has no column named text"),
        (b'text\n"a' + b"x" * 200_000, "is not CSV"),
    ],
)
def test_wrong_tables(data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_bytes(data)
    assert message in str(problems(prompts=[{"file": "p.csv"}])[0])
