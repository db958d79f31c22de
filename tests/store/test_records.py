"""Manifest lines and ledgers: what is read back, and what hostile files cannot do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch.store import Ledger, Record
from sdbatch.store.record import MAX_LINE, outline, parse

DONE = Record("j0123456789abcdef", "done", "images/a-s0-j0123456789abcdef.png", "b2:p", "b2:f", 10, "p1", ("w",))
FAILED = Record(DONE.id, "failed", profile="p1", error="simulated failure")


def ledger(tmp_path: Path, *contents: bytes, intact: bool = True) -> Ledger:
    paths = []
    for n, content in enumerate(contents):
        paths.append(tmp_path / f"{n}.jsonl")
        paths[-1].write_bytes(content)
    return Ledger(paths, lambda record: intact)


texts = st.text(max_size=50)


@given(texts, st.lists(texts, max_size=3), st.integers(0, 10**12), st.sampled_from(["done", "failed"]))
def test_a_record_comes_back(text: str, warnings: list[str], size: int, status: str) -> None:
    path = DONE.path if status == "done" else ""
    record = Record("jaffe", status, path, text, text, size, text, tuple(warnings), text, text)  # type: ignore[arg-type]
    line = record.line()
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert parse(line) == record


@given(st.one_of(st.binary(max_size=200), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)))
def test_garbage_is_none(content: object) -> None:
    line = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert parse(line) is None or isinstance(parse(line), Record)


@pytest.mark.parametrize(
    "change",
    [
        {"id": 7},
        {"id": "../x"},
        {"id": ""},
        {"status": "fine"},
        {"status": ["done"]},
        {"size": -1},
        {"size": 1.5},
        {"size": True},
        {"warnings": "w"},
        {"warnings": [1]},
        {"path": "/etc/passwd"},
        {"path": "images/../../x.png"},
        {"path": "images/.png"},
        {"path": "images/a\u0000.png"},
        {"path": "images/a\ud800.png"},
        {"path": "images\\a.png"},
        {"path": None},
        {"error": {}},
    ],
)
def test_wrong_fields_are_garbage(change: dict[str, object]) -> None:
    assert parse(json.dumps({**json.loads(DONE.line()), **change}).encode()) is None


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"id":' * 50_000, b"9" * 5000, b"\xff\xfe", b"null", b"NaN"])
def test_bombs_are_garbage(line: bytes) -> None:
    assert parse(line) is None


def test_later_lines_win_across_files(tmp_path: Path) -> None:
    found = ledger(tmp_path, DONE.line(), replace(DONE, pixels="b2:q").line() + replace(DONE, pixels="b2:r").line())
    assert found.get(DONE.id) == replace(DONE, pixels="b2:r")
    assert (len(found), list(found), DONE.id in found) == (1, [DONE.id], True)


def test_a_failure_hides_no_picture_that_is_there(tmp_path: Path) -> None:
    assert ledger(tmp_path, DONE.line(), FAILED.line()).get(DONE.id) == DONE
    assert ledger(tmp_path, DONE.line(), FAILED.line(), intact=False).get(DONE.id) == FAILED
    assert ledger(tmp_path, FAILED.line() + DONE.line()).get(DONE.id) == DONE


def test_torn_and_garbage_lines_are_counted(tmp_path: Path) -> None:
    other = replace(DONE, id="j2", path="images/b.png")
    torn = DONE.line() + b"\x00garbage\n\n" + b"x" * (MAX_LINE + 1) + b"\n" + other.line() + FAILED.line()[:-20]
    found = ledger(tmp_path, torn)
    assert (found.damaged_lines, list(found)) == (3, [DONE.id, "j2"])
    assert found.get("j2") == other
    assert found.line("j2") == other.line().strip()


def test_a_last_line_without_its_end_counts_if_it_is_whole(tmp_path: Path) -> None:
    assert ledger(tmp_path, DONE.line()[:-1]).get(DONE.id) == DONE


def test_large_files_are_mapped(tmp_path: Path) -> None:
    lines = b"".join(replace(DONE, id=f"j{i}").line() for i in range(1000))
    found = ledger(tmp_path, lines)
    assert (len(found), found.get("j999")) == (1000, replace(DONE, id="j999"))
    assert found.get("j1000") is None


def test_missing_files_are_empty(tmp_path: Path) -> None:
    assert len(Ledger([tmp_path / "none.jsonl", tmp_path], lambda r: True)) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "images/../../x.png"),
        ("path", "/images/x.png"),
        ("path", "images/3f/../x.png"),
        ("path", "images/a\\u0022b.png"),
        ("size", -1),
        ("size", "7"),
        ("id", "../x"),
        ("id", "j" * 65),
    ],
)
def test_the_fast_path_believes_no_more_than_the_slow_one(field: str, value: object) -> None:
    """Lines as they are usually written are read without the JSON parser, and checked as strictly."""
    good = Record("j01", "done", "images/3f/a-s1-j01.png", "b2:0", "b2:1", 7, "p0")
    assert parse(good.line()) == good
    assert outline(good.line()) == ("j01", good.path, "p0", len(good.line()))
    assert outline(good.line()[:-1]) == ("j01", good.path, "p0", len(good.line()) - 1), "the last line may have no end"
    line = json.dumps({**json.loads(good.line()), field: value}, separators=(",", ":")).encode()
    found, fast = parse(line), outline(line)
    assert fast is None or (found is not None and fast[:3] == (found.id, found.path, found.profile))
    assert fast is None


def test_what_is_not_usual_has_no_outline() -> None:
    assert outline(Record("j01", "failed", error="out of luck").line()) is None
    assert outline(b"\xff") is None
    good = Record("j01", "done", "images/a.png", "b2:0", "b2:1", 7, "p0").line()
    assert outline(good[:-2] + b"garbage") is None
    assert outline(good[:-1] + b"garbage\n") is None
    assert outline(b"garbage\n" + good, 8) is not None


def test_outlines_and_records_of_a_ledger_agree(tmp_path: Path) -> None:
    records = [Record(f"j{n:02}", "done", f"images/{n}.png", "b2:0", "b2:1", 7, "p0") for n in range(3)]
    odd = Record("j09", "done", "images/9.png", "b2:0", "b2:1", 7, "p0", warnings=("so what",))
    path = tmp_path / "m.jsonl"
    lines = [r.line() for r in [*records, odd, replace(records[0], profile="p1")]]
    path.write_bytes(b"".join([*lines[:2], b"torn{\n", *lines[2:]])[:-1])
    ledger = Ledger([path], lambda record: True)
    assert (len(ledger), ledger.damaged_lines) == (4, 1)
    for job_id in ("j00", "j01", "j02"):
        record, found = ledger.get(job_id), ledger.outline(job_id)
        assert record is not None
        assert found is not None
        assert found[:3] == (record.id, record.path, record.profile)
    assert ledger.get("j00").profile == "p1", "the last line counts"
    assert ledger.outline("j09") is None
    assert ledger.get("j09") == odd
