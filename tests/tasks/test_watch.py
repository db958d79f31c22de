"""``task=watch`` renders what changed at every save, reports mistakes and goes on; ``task=open`` opens the page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sdbatch import cli
from sdbatch.config.validation import validate
from sdbatch.errors import ConfigError, StoreError
from sdbatch.tasks import watch
from tests.config.building import ROOT
from tests.patience import until
from tests.tasks.conftest import Folder

YAML = """\
name: x
prompts: [{file: prompts.txt}]
canvas: ["64x64"]
seeds: 0..1
"""


class Watching:
    """A ``task=watch`` of my.yaml."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self.root = root
        (root / "prompts.txt").write_text("a sea\n")
        (root / "my.yaml").write_text(YAML)
        command = [sys.executable, "-m", "sdbatch", "my.yaml", "model=fake", "task=watch", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
        with (root / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log)
        self.seen = 0

    def waits(self) -> str:
        """What was said until it waits for another change."""
        until(lambda: b"Ctrl-C ends" in self._log() or self.process.poll() is not None, lambda: self._log().decode())
        said, _, _ = self._log().partition(b"Ctrl-C ends")
        self.seen += len(said) + len(b"Ctrl-C ends")
        return said.decode()

    def save(self, name: str, text: str) -> str:
        """Save as editors do: another file takes the place."""
        (self.root / ".part").write_text(text)
        (self.root / ".part").replace(self.root / name)
        return self.waits()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def _log(self) -> bytes:
        return (self.root / "log").read_bytes()[self.seen :]


def test_every_save_renders_what_changed(tmp_path: Path) -> None:
    watching = Watching(tmp_path, "model.fake.delay=0.02")
    try:
        assert "x: 2 rendered" in watching.waits()
        assert '"watched":true' in (tmp_path / "outputs/x/gallery/state.js").read_text()
        wrong = watching.save("my.yaml", YAML.replace("seeds", "seed"))
        assert "my.yaml changed" in wrong
        assert "seed: unknown key" in wrong
        assert "x: 2 rendered, 2 done before" in watching.save("my.yaml", YAML.replace("0..1", "0..3"))
        assert "x: 4 rendered, 4 done before" in watching.save("prompts.txt", "a sea\na hill\n")
        assert "prompts[0].file" in watching.save("prompts.txt", " ")
        # A save during a run ends it. The second one finds 600 pictures in progress.
        (tmp_path / "prompts.txt").write_text("a sea\n")
        (tmp_path / "my.yaml").write_text(YAML.replace("0..1", "0..600"))
        until(lambda: len(list(tmp_path.glob("outputs/x/images/*.png"))) > 12)
        said = watching.save("my.yaml", YAML)
        assert "failed" not in said
        assert len(list(tmp_path.glob("outputs/x/images/*.png"))) < 500
        if "x: 2 done before" not in said:
            assert "x: 2 done before" in watching.waits()
        assert watching.process.poll() is None
        assert watching.end() == 0
        assert "Traceback" not in (tmp_path / "log").read_text()
        state = (tmp_path / "outputs/x/gallery/state.js").read_text()
        assert '"letters":"dd"' in state
        assert "watched" not in state
    finally:
        watching.process.kill()


def test_a_file_that_is_no_longer_named_does_not_end_the_run(tmp_path: Path) -> None:
    watching = Watching(tmp_path, "model.fake.delay=0.1")
    try:
        watching.waits()
        said = watching.save("my.yaml", YAML.replace("{file: prompts.txt}", "a hill").replace("0..1", "0..15"))
        assert "x: 16 rendered" in said
        assert watching.end() == 0
    finally:
        watching.process.kill()


def test_an_interrupt_of_its_run_ends_it(tmp_path: Path) -> None:
    watching = Watching(tmp_path, "model.fake.delay=0.2", "seeds=0..99")
    until(lambda: any(tmp_path.glob("outputs/x/images/*.png")))
    assert watching.end() == 130


def test_the_files_of_an_experiment() -> None:
    data: dict[str, Any] = {
        "prompts": [{"file": "a.txt"}, "a sea"],
        "sweep": [{"prompts": [{"file": "b.csv"}, "a hill"]}, {"encoding.audio": ["b.wav", None]}],
        "styles": {"file": "s.csv", "use": ["film"]},
        "encoding": {"audio": "a.wav"},
        "init": {"image": ["a.png", "photos"]},
        "wildcards": {"folder": "~/w"},
    }
    names = watch._named(validate({"name": "x", **data}))
    assert names == {
        *map(Path, ("a.txt", "b.csv", "s.csv", "a.wav", "b.wav", "a.png", "photos")),
        Path("~/w").expanduser(),
    }
    found = watch._configuration(["--config-dir", "c", "mine.yaml", "--config-dir=d", "name=x.yaml"])
    assert {Path("c"), Path("d"), Path("mine.yaml"), Path("conf")} <= found
    assert Path("name=x.yaml") not in found


def test_a_look_sees_every_kind_of_change(tmp_path: Path) -> None:
    folder, file = tmp_path / "wildcards", tmp_path / "p.txt"
    folder.mkdir()
    file.write_text("a")
    looks = [watch._look([folder, file])]
    for change in (
        lambda: (folder / "new.txt").write_text("x"),
        lambda: (folder / "new.txt").write_text("xy"),
        (folder / "new.txt").unlink,
        lambda: (folder / "picture.jpg").write_bytes(b""),
        file.unlink,
    ):
        change()
        assert watch._look([folder, file]) not in looks[-1:]
        looks.append(watch._look([folder, file]))
    (folder / "film.mp4").write_bytes(b"")
    (folder / "outputs").mkdir()
    (folder / "outputs/result.png").write_bytes(b"")
    assert watch._look([folder, file]) == looks[-1]


def test_a_change_drains_the_run(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a")
    signals = watch._Signals()
    with watch._draining(signals, frozenset([file]), watch._look([file])):
        file.write_text("ab")
        until(lambda: signals.draining)
    assert not any(t.name == "watch" for t in threading.enumerate())


def test_what_it_cannot_do_is_said(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["-m", "task=watch", "seeds=1,2"]) == 2
    assert "watch follows one run" in capfd.readouterr().err
    with pytest.raises(ConfigError, match="must be on the command line"):
        folder.run(task="watch")


def test_the_page_is_opened(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StoreError, match="render little first"):
        folder.run(task="open")
    assert folder.run(gallery={"enabled": True}) == 0
    with pytest.raises(StoreError, match=r"render litle first.*; outputs/ contains little \(did you mean 'little'\?\)"):
        folder.run(task="open", name="litle", prompts=[])
    link = (folder.root / "outputs/little/index.html").as_uri()
    assert folder.run(task="open", prompts=[]) == 0
    assert (folder.out, opened) == (f"{link}\n", [])
    monkeypatch.setenv("DISPLAY", ":0")
    assert folder.run(task="open", prompts=[]) == 0
    assert opened == [link]
