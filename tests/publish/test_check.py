"""task=check: on another machine, without weights, with another result; and hostile archives."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdbatch.engine import fake
from sdbatch.errors import ConfigError
from sdbatch.files import archive
from sdbatch.tasks.publish.layout import METADATA
from tests.config.building import ROOT
from tests.publish.conftest import check

Report = Callable[..., tuple[int, dict[str, Any]]]
HOW = {"publish": "PSNR", "digests": "how far they differ is unknown"}
SEVERAL = "import json, sys; from sdbatch.cli import run; print([run(a) for a in json.load(sys.stdin)])"
EMBEDDED = [
    "name=embedded",
    "prompts=[a red torii gate]",
    "canvas=[64x64]",
    "sampling.steps=2",
    "gallery.enabled=false",
]


def _run(commands: list[list[str]], folder: Path, **environment: str) -> str:
    folder.mkdir(exist_ok=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SDBATCH")} | environment
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL],
        check=False,
        cwd=folder,
        env=clean,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_in_another_place_under_another_name_in_another_time_zone(tmp_path: Path) -> None:
    """Rendered by the embedded model, checked by a copy of the program. Then the same with weights that are gone."""
    here, there = tmp_path / "here", tmp_path / "there"
    other = Path(shutil.copytree(ROOT / "src/sdbatch/models/tiny", tmp_path / "other"))
    config = json.loads((other / "scheduler/scheduler_config.json").read_text())
    (other / "scheduler/scheduler_config.json").write_text(json.dumps(config | {"beta_end": 0.0121}))
    local = ["model=local", f"model.path={other}", *EMBEDDED, "name=lost"]
    made = _run([[*s, *t] for s in (EMBEDDED, local) for t in ([], ["task=publish"])], here, SDBATCH_X="")
    assert made.endswith("[0, 0, 0, 0]\n")

    shutil.copytree(ROOT / "src", there / "program/src")
    shutil.copytree(ROOT / "conf", there / "program/conf")
    elsewhere = {"PYTHONPATH": str(there / "program/src"), "HOME": str(there), "USER": "grace", "TZ": "Asia/Kathmandu"}
    for name in ("embedded", "lost"):
        shutil.move(here / f"publish/{name}.zip", there / f"{name}.zip")
    shutil.move(other, tmp_path / "moved")
    checks = [["task=check", "source=embedded.zip"], ["task=check", "source=lost.zip", "check.format=json"]]
    again = ["task=check", "source=lost.zip", "model=local", f"model.path={tmp_path / 'moved'}"]
    said = _run([*checks, again], there, **elsewhere, LOGNAME="grace")
    assert said.endswith("[0, 1, 0]\n")
    assert "files: 100 % of" in said
    assert said.count("rendered again: 1 bit-equal") == 2
    lost = json.loads(said[said.index("{\n") : said.rindex("}\n") + 2])
    assert lost["findings"] == []
    assert lost["again"]["counts"] == {"other_weights": 1}
    (weights,) = lost["weights"]
    assert (weights["origin"], weights["licence"]) == ("a local folder, other", "apache-2.0")
    listed = {f["name"]: f["sha256"] for f in weights["files"]}
    unet = "unet/diffusion_pytorch_model.safetensors"
    assert listed[unet] == archive.listed(ROOT / "src/sdbatch/models/tiny" / unet)[1]
    assert "scheduler/scheduler_config.json" in listed


@pytest.mark.parametrize("kind", ["publish", "digests"])
def test_bit_equal(project: Path, report: Report, kind: str, capsys) -> None:
    for source in (project / kind / "little.zip", project / kind / "little"):
        code, said = report(source, sample=3)
        assert (code, said["findings"], said["again"]["counts"]) == (0, [], {"bit_equal": 3})
        assert (said["jobs"], said["recorded"], said["pictures"]) == (10, 10, kind == "publish")
    assert check(project / kind / "little.zip", sample=None) == 0
    said = capsys.readouterr().out
    assert "files: 100 % of" in said
    assert "rendered again: 10 bit-equal" in said
    assert said.count("  bit-equal images/") == 10


def test_every_seed_has_its_sample(project: Path, report: Report) -> None:
    samples = [
        {p["id"] for p in report(project / "digests/little.zip", sample=3, seed=s)[1]["again"]["pictures"]}
        for s in range(4)
    ]
    assert {len(s) for s in samples} == {3}
    assert len({frozenset(s) for s in samples}) > 1


@pytest.mark.parametrize("kind", HOW)
def test_a_difference_is_measured(project: Path, report: Report, monkeypatch, capsys, kind: str) -> None:
    draw = fake.draw

    def noisy(shot, feed=None):
        pixels = draw(shot, feed).copy()
        pixels[3, 5, 1] ^= 1
        return pixels

    monkeypatch.setattr(fake, "draw", noisy)
    code, said = report(project / kind / "little.zip", sample=2)
    assert (code, said["again"]["counts"]) == (3, {"differs": 2})
    assert check(project / kind / "little.zip", sample=1) == 3
    assert HOW[kind] in capsys.readouterr().out


def test_another_profile_is_named(project: Path, report: Report, monkeypatch, capsys) -> None:
    """As after an update: other versions, other pixels. Not an error, but said."""
    real, draw = fake.FakeRenderer.profile.fget, fake.draw

    def profile(self):
        return replace(real(self), versions=(("torch", "99"),))

    monkeypatch.setattr(fake.FakeRenderer, "profile", property(profile))
    monkeypatch.setattr(fake, "draw", lambda shot, feed=None: 255 - draw(shot, feed))
    code, said = report(project / "publish/little.zip", sample=2)
    assert (code, said["again"]["counts"]) == (1, {"differs_other_profile": 2})
    assert check(project / "publish/little.zip", sample=2) == 1
    assert "torch none then, 99 now" in capsys.readouterr().out


def _zip(path: Path, entries: list[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def _link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


SLIPS = ["../out.txt", "/etc/out.txt", "a/../../out.txt", "C:\\out.txt", "..\\out.txt", "a//b", "./a", "x\ny"]


@pytest.mark.parametrize("name", SLIPS)
def test_names_that_lead_elsewhere(tmp_path: Path, report: Report, name: str) -> None:
    path = _zip(tmp_path / "a.zip", [(METADATA, b"{}"), ("profiles/x.json", b"{}"), (name, b"x")])
    before = {p for p in tmp_path.parent.rglob("*")}
    code, said = report(path)
    assert code == 3
    assert {p for p in tmp_path.parent.rglob("*")} == before
    assert [f["note"] for f in said["findings"] if "leads elsewhere" in f["note"]]


def test_a_link_in_a_zip(tmp_path: Path, report: Report) -> None:
    path = _zip(tmp_path / "a.zip", [(METADATA, b"{}"), (_link("profiles"), b"/etc"), ("profiles/a.json", b"{}")])
    code, said = report(path)
    assert code == 3
    assert {f["path"]: f["note"] for f in said["findings"]}["profiles"].endswith("is a link or a device")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice(tmp_path: Path, report: Report) -> None:
    path = _zip(tmp_path / "a.zip", [(METADATA, b"{}"), ("plan.jsonl", b"1\n"), ("plan.jsonl", b"2\n")])
    code, said = report(path)
    assert code == 3
    assert any(f["path"] == "plan.jsonl" and "twice" in f["note"] for f in said["findings"])


def _bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(METADATA, b"{}")
        with file.open("plan.jsonl", "w") as f:
            f.write(bytes(1 << 24))
    data = path.read_bytes()  # and it says that it is larger still
    path.write_bytes(data.replace(struct.pack("<I", 1 << 24), struct.pack("<I", 2**32 - 2)))
    return path


BAD: dict[str, Callable[[Path], Any]] = {
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_bytes(b"PK\x03\x04 is not enough"),
    "no metadata": lambda p: _zip(p, [("a", b"")]),
    "bomb": _bomb,
    "cut": lambda p: p.write_bytes(_zip(p, [(METADATA, b"{}" * 99)]).read_bytes()[:-9]),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_research_object(tmp_path: Path, kind: str) -> None:
    BAD[kind](tmp_path / "a.zip")
    with pytest.raises(ConfigError, match=r"source: 'a\.zip'"):
        check(tmp_path / "a.zip")


def test_an_entry_that_is_larger_than_it_says(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", [("a", b"x" * 1000)])
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 1000), struct.pack("<I", 10)))
    with archive.opened(path) as crate, pytest.raises(ValueError, match="damaged in the ZIP"):
        archive.digest(crate, "a")


def test_what_is_not_a_file_in_a_folder(crate: Path, report: Report) -> None:
    os.mkfifo(crate / "plan.pipe")
    (crate / "manifest.jsonl").unlink()
    (crate / "manifest.jsonl").symlink_to("/dev/zero")
    code, said = report(crate)
    assert code == 3
    assert {"plan.pipe", "manifest.jsonl"} <= {f["path"] for f in said["findings"]}


GARBAGE = [b"", b"{", b"[]", b'{"@graph": 3}', b"\xff\xfe", b"[" * 10**5, b'{"@graph": [3]}', b"\x1b[31m\n" * 3]
TEXTS = ["plan.jsonl", "manifest.jsonl", "digests.csv", "weights.json", METADATA, "SHA256SUMS"]


@pytest.mark.parametrize("name", TEXTS)
def test_garbage_is_a_finding(crate: Path, name: str, capsys) -> None:
    for data in GARBAGE:
        (crate / name).write_bytes(data)
        assert check(crate, sample=1) == 3
        said = capsys.readouterr().out
        assert name in said
        assert "\x1b[31m" not in said


def test_the_source_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crate.zip").touch()
    with pytest.raises(ConfigError, match=r"source: 'crat.zip' does not exist \(did you mean 'crate.zip'\?\)"):
        check(Path("crat.zip"))
