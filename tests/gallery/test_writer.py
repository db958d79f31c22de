"""Of several processes one writes the page: nobody else at the same time, another one after its death."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from sdbatch.store import Store
from tests import patience
from tests.gallery.render import go, planned, site
from tests.runner.little import tree

HERE = Path(__file__).parents[2]
JOBS = 60


class Group:
    """Processes that render the same plan into the same folder. ``pids``: which of them wrote the page, in order."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "x"
        self.all: list[subprocess.Popen[str]] = []
        self._folder = folder
        self._log = folder / "log.txt"

    def start(self, delay: float = 0.03, rows: int = 4, begin: str = "begin") -> subprocess.Popen[str]:
        wish: dict[str, Any] = {"root": str(self.root), "jobs": JOBS, "delay": delay, "rows": rows}
        wish |= {"log": str(self._log), "begin": str(self._folder / begin)}
        environment = {**os.environ, "PYTHONPATH": f"{HERE / 'src'}{os.pathsep}{HERE}"}
        command = [sys.executable, "-m", "tests.gallery.process", json.dumps(wish)]
        made = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.all.append(made)
        return made

    def begin(self, name: str = "begin") -> None:
        """Let the processes that wait for this begin, once all have loaded their code."""
        patience.until(lambda: self._log.exists() and self._log.read_text().count("ready") == len(self.all))
        (self._folder / name).touch()

    def lines(self) -> list[tuple[int, str]]:
        """Who began or ended to write a file, in order."""
        found = (line.split() for line in self._log.read_text().splitlines())
        return [(int(pid), what) for pid, what in found if what != "ready"]

    def writers(self) -> list[int]:
        return [pid for pid, _ in groupby(pid for pid, _ in self.lines())]

    def pages(self, pid: int) -> int:
        """How many files a process has written."""
        return self.lines().count((pid, "end"))


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    made = Group(tmp_path)
    yield made
    for process in made.all:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.fixture
def reference(tmp_path: Path) -> dict[str, bytes]:
    """What one undisturbed process makes."""
    store = Store(tmp_path / "alone" / "x", durable=False)
    go(planned("x", prompts=["a sea"], seeds=f"0..{JOBS - 1}"), store)
    return tree(store.root)


def test_one_process_at_a_time_writes_the_page(group: Group, reference: dict[str, bytes]) -> None:
    for _ in range(3):
        group.start()
    group.begin()
    ends = [(process.wait(patience.SECONDS), process.communicate()[0]) for process in group.all]
    assert ends == [(0, "")] * 3
    assert tree(group.root) == reference, "complete, and nothing else is left"
    lines = group.lines()
    for (one, began), (two, ended) in zip(lines[::2], lines[1::2], strict=True):
        assert (began, ended, one) == ("begin", "end", two), "two wrote at once"
    assert len(group.writers()) == len(set(group.writers())), "nobody began again after another one had"


def test_another_process_takes_over_from_a_killed_writer(group: Group, reference: dict[str, bytes]) -> None:
    for _ in range(3):
        group.start(delay=0.2)
    group.begin()
    patience.until(lambda: group.lines() and group.pages(group.lines()[0][0]) > 6)
    first = group.lines()[0][0]
    killed = next(process for process in group.all if process.pid == first)
    killed.kill()
    killed.wait()
    patience.until(lambda: any(pid != first for pid, _ in group.lines()))
    others = [process for process in group.all if process is not killed]
    assert any(process.poll() is None for process in others), "while they render, not at the end"
    assert [(process.wait(patience.SECONDS), process.communicate()[0]) for process in others] == [(0, "")] * 2
    assert tree(group.root) == reference
    assert group.writers()[0] == first
    assert len(group.writers()) == len(set(group.writers()))


def test_a_process_that_is_refused_leaves_the_page_alone(group: Group, reference: dict[str, bytes]) -> None:
    first, second = group.start(delay=0.2), group.start(rows=2, begin="later")
    group.begin()
    patience.until((group.root / "gallery" / "state.js").exists)
    patience.until(lambda: any(group.root.glob("images/*.png")))
    group.begin("later")
    assert second.wait(patience.SECONDS) == 2
    assert "shard.mixed" in second.communicate()[0]
    assert first.poll() is None, "it was still rendering"
    assert first.wait(patience.SECONDS) == 0
    assert set(group.writers()) == {first.pid}
    assert set(tree(group.root)) == set(reference)


def test_thumbnails_of_a_large_plan_are_moved_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of earlier versions lie in one folder; a plan may also have grown, or become small again."""
    plan, store = planned("x", prompts=["a sea"], seeds="0..5"), Store(tmp_path / "x", durable=False)
    go(plan, store)
    folder = store.root / "gallery" / "thumbs"
    flat = {path.name: path.stat().st_ino for path in folder.glob("*.jpg")}
    before = tree(store.root)
    assert len(flat) == 6
    monkeypatch.setattr("sdbatch.gallery.site.FLAT", 5)
    site(plan, store).finish(rebuild=True)
    assert {path.name: path.stat().st_ino for path in folder.glob("??/*.jpg")} == flat
    assert all(path.parent.name == path.name[1:3] for path in folder.glob("??/*.jpg"))
    assert not list(folder.glob("*.jpg"))
    assert '"spread":true' in (store.root / "gallery" / "plan.js").read_text()
    (folder / "0a").mkdir(exist_ok=True)
    (folder / "0a" / ".tmp-dead-0").write_bytes(b"half")
    monkeypatch.setattr("sdbatch.gallery.site.FLAT", 6)
    site(plan, store).finish(rebuild=True)
    assert tree(store.root) == before
    assert {path.name: path.stat().st_ino for path in folder.glob("*.jpg")} == flat
