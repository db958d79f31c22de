"""Each of a hundred random changes to a research object is found, and the changed file is named."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch import files
from sdbatch.files import archive
from sdbatch.media import png
from sdbatch.tasks.check import integrity
from sdbatch.tasks.publish.layout import METADATA, SUMS
from tests.publish.conftest import check

HEX = "0123456789abcdef"


def _byte(path: Path, rng: random.Random) -> None:
    """One bit of one byte."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _line(path: Path, rng: random.Random) -> None:
    """A line is lost, doubled, or changes its place."""
    lines = path.read_bytes().splitlines(keepends=True)
    line = lines.pop(rng.randrange(len(lines)))
    places = [i for i in range(len(lines) + 1) if b"".join([*lines[:i], line, *lines[i:]]) != path.read_bytes()]
    for place in [rng.choice(places)] * rng.choice([0, 1]):
        lines.insert(place, line)
    path.write_bytes(b"".join(lines))


def _digit(path: Path, rng: random.Random) -> None:
    """One digit of a digest."""
    text = path.read_text()
    at = rng.choice([i for i in range(len(text) - 64) if set(text[i : i + 64]) <= set(HEX)])
    path.write_text(text[:at] + HEX[(HEX.index(text[at]) + rng.randrange(1, 16)) % 16] + text[at + 1 :])


def _gone(path: Path, rng: random.Random) -> None:
    path.unlink()


CHANGES: dict[str, tuple[str, Callable[[Path, random.Random], None]]] = {
    "a byte of a picture": ("images/*.png", _byte),
    "a byte of any file": ("**/*", _byte),
    "a line of the manifest": ("manifest.jsonl", _line),
    "a line of the plan": ("plan.jsonl", _line),
    "a digest in the table": ("digests.csv", _digit),
    "a digest in the list": (SUMS, _digit),
    "a digest in the description": (METADATA, _digit),
    "a profile": ("profiles/*.json", _byte),
    "a lost file": ("**/*", _gone),
}


def test_every_one_of_a_hundred_changes_is_found_and_named(crate: Path) -> None:
    assert integrity.findings(archive.Tree(crate)) == []
    rng = random.Random(19)
    kinds = [*CHANGES] * 12
    for kind in kinds[:100]:
        pattern, change = CHANGES[kind]
        path = rng.choice(sorted(p for p in crate.glob(pattern) if p.is_file()))
        name, before = path.relative_to(crate).as_posix(), path.read_bytes()
        change(path, rng)
        found = integrity.findings(archive.Tree(crate))
        assert name in {finding.path for finding in found}, (kind, name, found)
        path.write_bytes(before)
    assert integrity.findings(archive.Tree(crate)) == []


def test_so_is_a_byte_in_the_zip(
    project: Path, tmp_path: Path, report: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    path, rng = tmp_path / "little.zip", random.Random(20)
    before = (project / "publish/little.zip").read_bytes()
    with zipfile.ZipFile(project / "publish/little.zip") as file:
        members = [e for e in file.infolist() if e.file_size]
    for entry in rng.sample(members, 12):
        data = bytearray(before)
        data[entry.header_offset + 30 + len(entry.filename) + rng.randrange(entry.file_size)] ^= 1
        path.write_bytes(data)
        code, said = report(path, sample=0)
        assert code == 3
        assert entry.filename in {f["path"] for f in said["findings"]}


def test_what_was_added_is_named(crate: Path) -> None:
    (crate / "images/extra.png").write_bytes(b"x")
    (crate / "link").symlink_to("/etc/passwd")
    found = {f.path: f.note for f in integrity.findings(archive.Tree(crate))}
    assert found == {"images/extra.png": "is not a part of the crate", "link": "is a link"}


def _listed_again(crate: Path) -> None:
    """The digests of all files, as one who wants to deceive would write them."""
    graph = json.loads((crate / METADATA).read_text())
    for entity in graph["@graph"]:
        if entity["@type"] == "File":
            entity["sha256"] = archive.listed(crate / entity["@id"])[1]
    (crate / METADATA).write_text(json.dumps(graph))
    parts = sorted(p.relative_to(crate).as_posix() for p in crate.rglob("*") if p.is_file() and p.name != SUMS)
    (crate / SUMS).write_text("".join(f"{archive.listed(crate / n)[1]}  {n}\n" for n in parts))


@pytest.mark.parametrize("file", ["manifest.jsonl", "digests.csv"])
def test_records_that_contradict_each_other(crate: Path, report: Callable[..., Any], file: str) -> None:
    """With digests that fit: the table, the manifest and the plan still say the same of every job."""
    lines = (crate / file).read_text().splitlines(keepends=True)
    (crate / file).write_text("".join([*lines[:2], *lines[3:]]))
    _listed_again(crate)
    code, said = report(crate, sample=0)
    assert code == 3
    assert [f["path"] for f in said["findings"]] == ["digests.csv"]


def test_a_false_picture_with_digests_that_fit_is_found_by_rendering(crate: Path, report: Callable[..., Any]) -> None:
    """Only the promise remains: the same profile gives the same bytes."""
    picture = sorted((crate / "images").iterdir())[0]
    pixels = np.zeros_like(png.decode(picture))
    picture.write_bytes(png.encode(pixels))
    records = [json.loads(line) for line in (crate / "manifest.jsonl").read_text().splitlines()]
    mine = next(r for r in records if r["path"].endswith(picture.name))
    mine |= {"pixels": png.pixel_digest(pixels), "file": files.file_digest(picture), "size": picture.stat().st_size}
    (crate / "manifest.jsonl").write_text("".join(json.dumps(r, separators=(",", ":")) + "\n" for r in records))
    rows = list(csv.reader(io.StringIO((crate / "digests.csv").read_text())))
    sha = archive.listed(picture)[1]
    rows = [
        [r[0], r[1], str(mine["size"]), sha, mine["file"], mine["pixels"], r[6]] if r[0] == mine["id"] else r
        for r in rows
    ]
    (crate / "digests.csv").write_text("".join(",".join(r) + "\n" for r in rows))
    _listed_again(crate)
    assert check(crate, sample=0) == 0, "every digest fits"
    code, said = report(crate, sample=None)
    assert code == 3
    (differs,) = [p for p in said["again"]["pictures"] if p["status"] == "differs"]
    assert differs["path"].endswith(picture.name)
    assert differs["distance"]["largest"] > 0
