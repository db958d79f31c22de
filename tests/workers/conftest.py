from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
FAKE = ("model=fake", "prompts=[a sea, a hill]", "canvas=[48x32]", "gallery.enabled=false")


class Command:
    """``python -m sdbatch`` in a folder of its own, with what it said."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._said = folder / "said.txt"
        self._folder = folder
        with self._said.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sdbatch", *arguments], cwd=folder, stdout=out, stderr=out
            )

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    def wait(self, timeout: float = 120) -> int:
        return self.process.wait(timeout)

    def until(self, pattern: str) -> None:
        """Until a file is there."""
        end = time.monotonic() + 60
        while not any(self._folder.glob(pattern)):
            assert time.monotonic() < end, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.01)

    def children(self) -> list[int]:
        """The workers' process ids."""
        return [int(p) for p in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Command]]:
    monkeypatch.setenv("PYTHONPATH", f"{HERE / 'src'}:{HERE}")
    begun: list[Command] = []

    class Here(Command):
        def __init__(self, *arguments: str, folder: str = "one") -> None:
            (tmp_path / folder).mkdir(exist_ok=True)
            super().__init__(tmp_path / folder, *arguments)
            begun.append(self)

    yield Here  # type: ignore[misc]
    for one in begun:
        one.process.kill()
        one.process.wait()
