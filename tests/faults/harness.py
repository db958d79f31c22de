"""Starting, watching and judging the processes of the fault tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch.media import png
from sdbatch.store import Store
from tests.faults.driver import make_plan

HERE = Path(__file__).parents[2]


class Child:
    """A running driver. ``wait`` gives its exit code and what it said last."""

    def __init__(self, root: Path, **wish: Any) -> None:
        path = os.pathsep.join([str(HERE / "src"), str(HERE)])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.driver", str(root), json.dumps(wish)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HERE,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def until(self, word: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"never said {word}: {self.process.communicate()[1]}")

    def wait(self, timeout: float = 60) -> tuple[int, dict[str, Any]]:
        out, err = self.process.communicate(timeout=timeout)
        assert "Traceback" not in err, err
        lines = [line for line in out.splitlines() if line.startswith("{")]
        return self.process.returncode, json.loads(lines[-1]) if lines else {}

    def kill(self) -> bool:
        """SIGKILL; whether it was still alive."""
        alive = self.process.poll() is None
        self.process.kill()
        self.process.communicate()
        return alive


def render(root: Path, **wish: Any) -> tuple[int, dict[str, Any]]:
    return Child(root, **wish).wait()


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def check_whole(root: Path, reference: dict[str, bytes]) -> set[str]:
    """Every file that is there is whole, every record says what is there; returns the ids that are done.

    ``reference`` is the tree of an undisturbed run. Files with a leading dot are work in flight, cleared up later.
    """
    store = Store(root)
    for path in [*root.glob("images/[!.]*"), *root.glob("videos/[!.]*"), *root.glob("shots/*/[!.]*")]:
        assert path.read_bytes() == reference[str(path.relative_to(root))], path
    ledger = store.ledger()
    for record in ledger.records():
        assert record.done, record
        assert store.intact(record), record
        assert png.file_digest(store.file(record)) == record.file
    return set(ledger)


def rendered(log: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return log.read_text().split()
    return []


@dataclass(frozen=True)
class Disk:
    """A tmpfs whose size and mode can be changed while it is in use."""

    path: Path

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True)


@contextmanager
def mounted(path: Path, size: str = "100m") -> Iterator[Disk | None]:
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


__all__ = ["Child", "Disk", "check_whole", "make_plan", "mounted", "render", "rendered", "tree"]
