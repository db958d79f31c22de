"""Starting, watching and judging the processes of the fault tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sdbatch import files
from sdbatch.store import Store
from tests import patience

HERE = Path(__file__).parents[2]


class Server:
    """Forks rendering processes that have their imports behind them."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(HERE / "src"), str(HERE)])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def ask(self, **order: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@cache
def server() -> Server:
    """One for each process that runs tests; it ends with its input."""
    return Server()


class Child:
    """A rendering process. ``wait`` gives its exit code and what it said last."""

    def __init__(self, root: Path, **wish: Any) -> None:
        handle, name = tempfile.mkstemp()
        os.close(handle)
        self._out = Path(name)
        self._code: int | None = None
        self.pid = server().ask(root=str(root), wish=wish, out=name)

    def code(self) -> int | None:
        """The exit code, or None while it lives."""
        if self._code is None:
            self._code = server().ask(ended=self.pid)
        return self._code

    def signal(self, number: int) -> None:
        if self.code() is None:
            os.kill(self.pid, number)

    def pending(self) -> bool:
        """Whether a signal has not been delivered yet. Known on Linux."""
        status = Path(f"/proc/{self.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return any(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))

    def until(self, word: str) -> None:
        self._poll(lambda: word in self._out.read_text().splitlines())

    def wait(self, timeout: float = patience.SECONDS) -> tuple[int, dict[str, Any]]:
        self._poll(lambda: self.code() is not None, timeout)
        said = self._out.read_text()
        self._out.unlink()
        assert "Traceback" not in said, said
        lines = [line for line in said.splitlines() if line.startswith("{")]
        assert self._code is not None
        return self._code, json.loads(lines[-1]) if lines else {}

    def kill(self) -> bool:
        """SIGKILL; whether it was still alive."""
        self.signal(signal.SIGKILL)
        code, _ = self.wait()
        return code == -signal.SIGKILL

    def _poll(self, done: Callable[[], bool], timeout: float = patience.SECONDS) -> None:
        patience.until(done, self._out.read_text, timeout)


def render(root: Path, **wish: Any) -> tuple[int, dict[str, Any]]:
    return Child(root, **wish).wait()


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def check_whole(root: Path, reference: dict[str, bytes]) -> set[str]:
    """Every file that is there is whole, every record says what is there; returns the ids that are done.

    ``reference`` is the tree of an undisturbed run. Files with a leading dot are work in flight, cleared up later.
    """
    store = Store(root)
    for path in [*root.glob("images/[!.]*"), *root.glob("videos/[!.]*"), *root.glob("shots/*/*/[!.]*")]:
        assert path.read_bytes() == reference[str(path.relative_to(root))], path
    ledger = store.ledger()
    for record in ledger.records():
        assert record.done, record
        assert store.intact(record), record
        assert files.file_digest(store.file(record)) == record.file
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
