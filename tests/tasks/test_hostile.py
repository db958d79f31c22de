"""Hostile pictures, videos, manifests and plans give a message, never a traceback."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdbatch import files
from sdbatch.errors import ConfigError, StoreError
from sdbatch.media import png
from sdbatch.media.chunks import SIGNATURE, chunk, text_chunk
from tests.tasks.conftest import DATA, Folder

CASES = int(os.environ.get("SDBATCH_FUZZ", "300"))
FUZZ = settings(max_examples=CASES // 5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BYTES = st.binary(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
INFOTEXTS = st.from_regex(r"a\nSteps: \d+, Sampler: \w+, Seed: -?\d+, Size: \d+x\d+", fullmatch=True)
GARBAGE = st.lists(BYTES | JSON.map(lambda v: json.dumps(v).encode()), max_size=4)
PROFILES = [b"", b"{", b"[]", b"\xff\xfe", b'{"versions": 3}', b'{"rows": "x", "versions": {}}', b"[" * 10**5]
HEADER = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)


def _reproduces(folder: Folder, path: Path) -> int | None:
    """The exit code, or None where the file was refused. Nothing may appear outside reproduced/."""
    before = {p for p in folder.root.rglob("*") if "reproduced" not in p.parts}
    try:
        return folder.run(task="reproduce", source=str(path))
    except ConfigError:
        return None
    finally:
        assert {p for p in folder.root.rglob("*") if "reproduced" not in p.parts} == before


def _file(folder: Folder, data: bytes, name: str = "hostile.png") -> Path:
    path = folder.root / name
    path.write_bytes(data)
    return path


def _damaged(data: bytes, at: float, piece: bytes, cut: bool) -> bytes:
    where = int(at * len(data))
    return data[:where] + piece if cut else data[:where] + piece + data[where + len(piece) :]


@FUZZ
@given(at=st.floats(0, 1), piece=BYTES, cut=st.booleans())
def test_damaged_pictures(stills: Folder, at: float, piece: bytes, cut: bool) -> None:
    data = _damaged(stills.path("images/*").read_bytes(), at, piece, cut)
    assert _reproduces(stills, _file(stills, data)) in (None, 0, 1, 3)


def test_damaged_videos(folder: Folder, videos: Callable[[str], dict[str, Any]]) -> None:
    videos("prompt")
    data = folder.path("videos/*.mp4").read_bytes()
    for n, at in enumerate((0.0, 0.01, 0.3, 0.6, 0.9, 0.99)):
        path = _file(folder, _damaged(data, at, b"\xff" * 40, n % 2 == 0), "hostile.mp4")
        assert _reproduces(folder, path) in (None, 0, 1, 3)


@FUZZ
@given(data=JSON, where=st.sampled_from(["", "job", "shot", "motion", "profile", "slug", "origin", "model", "start"]))
def test_any_metadata(stills: Folder, data: Any, where: str) -> None:
    said = json.loads(png.read_text(stills.path("images/*"))["sdbatch"])
    if where in ("shot", "motion"):
        said["job"][where] = data
    elif where in ("model", "start"):
        said["job"]["shot"][where] = data
    else:
        said = said | {where: data} if where else data
    text = json.dumps(said)
    for path in (
        _file(stills, png.encode(png.decode(stills.path("images/*")), {"sdbatch": text})),
        _file(stills, text.encode(), "hostile.json"),
    ):
        assert _reproduces(stills, path) in (None, 0, 1, 3)


@FUZZ
@given(text=st.text(max_size=200) | INFOTEXTS)
def test_any_infotext(stills: Folder, text: str) -> None:
    if any(int(n) > 128 for n in re.findall(r"\d+", text)[:8]):
        return  # allowed, but slow
    picture = b"".join([SIGNATURE, chunk(b"IHDR", HEADER), text_chunk("parameters", text)])
    picture += chunk(b"IDAT", zlib.compress(bytes(4 * 13))) + chunk(b"IEND", b"")
    assert _reproduces(stills, _file(stills, picture)) in (None, 0, 1)  # 1: of another size than the file says


def _bombs() -> dict[str, bytes]:
    zeros = zlib.compress(bytes(200_000_000), 9)
    long = zlib.compress(b'{"job":' + b"[" * 50_000_000)
    huge = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    end = chunk(b"IDAT", zeros) + chunk(b"IEND", b"")
    text = b"sdbatch\0\0\0\0\0".replace(b"\0\0\0\0\0", b"\0\1\0\0\0")
    return {
        "a text of 200 MB": SIGNATURE + chunk(b"IHDR", HEADER) + chunk(b"iTXt", text + zeros) + end,
        "deep brackets": SIGNATURE + chunk(b"IHDR", HEADER) + chunk(b"iTXt", text + long) + end,
        "2 billion square": SIGNATURE
        + chunk(b"IHDR", huge)
        + text_chunk("parameters", "a\nSteps: 1, Seed: 1, Size: 64x64")
        + end,
        "a length that lies": SIGNATURE + chunk(b"IHDR", HEADER) + struct.pack(">I4s", 2**31, b"tEXt"),
        "a json of brackets": b"{" + b'"a":[' * 100_000,
    }


# A process of its own, since the peak of this one may be higher already; VmHWM, since ru_maxrss inherits that.
LIMITED = """
import json, re, resource, sys
from sdbatch.tasks import dispatch
from sdbatch.errors import ConfigError
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak()
try:
    dispatch.run(json.loads(sys.argv[1]))
except ConfigError:
    print(peak() - before)
"""


@pytest.mark.parametrize(("name", "data"), _bombs().items(), ids=lambda v: v if isinstance(v, str) else "")
def test_bombs(folder: Folder, name: str, data: bytes) -> None:
    path = _file(folder, data)
    command = [sys.executable, "-c", LIMITED, json.dumps(DATA | {"task": "reproduce", "source": str(path)})]
    done = subprocess.run(command, cwd=folder.root, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200_000, "kB"


TASKS: list[dict[str, Any]] = [
    {"task": "verify", "verify": {"sample": 0}},
    {"task": "verify"},
    {"task": "verify", "prompts": []},
    {"task": "prune", "prune": {"plans": True, "shots": True}},
    {"task": "sheet"},
]


def _survives(folder: Folder, **more: Any) -> None:
    for task in TASKS:
        try:
            assert folder.run(**task | more) in (0, 1, 3)
        except (ConfigError, StoreError):
            continue


@settings(parent=FUZZ, max_examples=CASES // 12)
@given(lines=GARBAGE, at=st.integers(0, 4), name=st.sampled_from(["manifest", "plan"]))
def test_garbage_in_manifest_and_plan(stills: Folder, lines: list[bytes], at: int, name: str) -> None:
    path = stills.store.root / f"{name}.jsonl"
    good = path.read_bytes()
    try:
        rows = good.splitlines()
        path.write_bytes(b"\n".join([*rows[:at], *lines, *rows[at:]]) + b"\n")
        _survives(stills)
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../../../etc/passwd"},
        {"path": "images/../../x.png"},
        {"path": "/etc/passwd"},
        {"size": -1},
        {"size": 2**70},
        {"profile": "../../x"},
        {"profile": "\0"},
        {"status": "odd"},
        {"path": "images/" + "x" * 5000 + ".png"},
        {"origin": [1]},
    ],
)
def test_records_that_point_elsewhere(stills: Folder, change: dict[str, Any]) -> None:
    lines = [json.loads(line) | change for line in stills.store.manifest.read_text().splitlines()]
    stills.store.manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    outside = {p for p in stills.root.rglob("*") if "outputs" not in p.parts}
    _survives(stills)
    stills.run(task="verify", verify={"repair": True})
    stills.run(task="prune", prune={"apply": True, "plans": True, "shots": True})
    assert {p for p in stills.root.rglob("*") if "outputs" not in p.parts} == outside


@pytest.mark.parametrize("data", PROFILES)
def test_profiles_of_garbage(stills: Folder, data: bytes) -> None:
    stills.path("profiles/*").write_bytes(data)
    _survives(stills)


def test_files_that_are_not_pictures_with_matching_digests(stills: Folder) -> None:
    """The manifest agrees with a file that nothing can decode."""
    path = stills.path("images/*")
    record = next(r for r in stills.store.ledger().records() if r.path == f"images/{path.name}")
    path.write_bytes(b"no picture")
    text = stills.store.manifest.read_text()
    new = text.replace(record.file, files.file_digest(path)).replace(f'"size":{record.size}', '"size":10')
    stills.store.manifest.write_text(new)
    assert stills.run(task="verify") == 3
    assert "not a PNG" in stills.out
