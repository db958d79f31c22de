"""A small experiment of every mode, rendered by the fake model inside this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch.errors import ConfigError
from sdbatch.media import png
from sdbatch.store import Store
from sdbatch.tasks import dispatch

VIDEOS = ["prompt", "walk", "zoom", "feedback"]
DATA: dict[str, Any] = {
    "name": "little",
    "prompts": ["a torii gate", {"id": "light", "text": "a lighthouse", "negative": "clouds"}],
    "seeds": [0, 1],
    "canvas": ["48x32"],
    "sampling": {"steps": 4},
    "model": {"kind": "fake"},
    "gallery": {"enabled": False},
}
MOTION = {"frames": 5, "fps": 8}
OF_MODE: dict[str, dict[str, Any]] = {
    "prompt": {"phrase": "at {t:.2f}"},
    "walk": {"seeds": [[0, 7], ["end", 8]]},
    "zoom": {"zoom": [[0, 1.0], ["end", 2.0]]},
    "feedback": {"zoom": [[0, 1.0], ["end", 1.2]]},
}


class Folder:
    """``run`` does a task as the command line would; ``store`` is the experiment's folder."""

    def __init__(self, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capfd = capfd
        self.out = ""

    @property
    def store(self) -> Store:
        return Store(self.root / "outputs/little")

    def run(self, **more: Any) -> int:
        self._capfd.readouterr()
        try:
            return dispatch.run(DATA | more)
        finally:
            self.out = self._capfd.readouterr().out

    def json(self, **settings: Any) -> tuple[int, dict[str, Any]]:
        code = self.run(task="verify", verify={"format": "json"} | settings)
        return code, json.loads(self.out)

    def wrong(self, **more: Any) -> str:
        """What the program says is wrong; nothing may have been written."""
        before = self.tree("*")
        with pytest.raises(ConfigError) as e:
            self.run(**more)
        assert self.tree("*") == before
        return str(e.value)

    def moved(self, name: str) -> None:
        """Move the picture ``name`` to another folder under another name: tasks find it by its digest, and equal bits
        come out."""
        path = self.path("images/*")
        (self.root / "moved").mkdir()
        (self.root / name).rename(self.root / "moved/other.png")
        for task in ({"task": "reproduce", "source": str(path)}, {"task": "verify", "prompts": []}):
            assert f"input_folders: {name} (b2:" in self.wrong(**task)
            assert self.run(**task, input_folders="moved") == 0
        assert np.array_equal(png.decode(self.root / "reproduced" / path.name), png.decode(path))

    def tree(self, pattern: str = "outputs/little/**/*") -> dict[str, bytes]:
        return {str(p.relative_to(self.root)): p.read_bytes() for p in self.root.glob(pattern) if p.is_file()}

    def path(self, kind: str, n: int = 0) -> Path:
        return sorted(self.store.root.glob(kind))[n]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Folder:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path, capfd)


@pytest.fixture
def stills(folder: Folder) -> Folder:
    """Four pictures."""
    assert folder.run() == 0
    return folder


@pytest.fixture
def videos(folder: Folder) -> Callable[[str], dict[str, Any]]:
    """Renders two videos of a mode; gives what to add to later runs."""

    def render(mode: str) -> dict[str, Any]:
        more = {"motion": {"mode": mode} | MOTION | OF_MODE[mode], "seeds": [3]}
        assert folder.run(**more) == 0
        return more

    return render
