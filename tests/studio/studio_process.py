"""A real studio: a process that serves, in a folder of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import patience
from tests.config.building import ROOT


class Studio:
    """``python -m sdbatch task=studio`` in ``folder``, with the fake renderer unless ``arguments`` say otherwise."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        options = ["studio.browser=false", "studio.port=0", "model=fake", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sdbatch", "task=studio", *options],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        found = re.search(r"http://[\w.]+:(\d+)/", line)
        assert found, line + self.process.stdout.read()
        self.address, self.port = found[0], int(found[1])

    def ask(self, path: str, body: Any = None) -> Any:
        """The answer to a request as the page sends it: a GET without ``body``, else a POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience.SECONDS)
        headers = {"X-Sdbatch": "studio", "Content-Type": "application/json"}
        connection.request(*(("GET", path) if body is None else ("POST", path, json.dumps(body), headers)))
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, found
        return found

    def queue(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.ask("/api/queue")["entries"]
        return entries

    def states(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.queue()}

    def wait_for(self, **states: str) -> None:
        """Wait until entries have these states."""
        patience.until(lambda: states.items() <= self.states().items(), lambda: str(self.queue()))

    def entry(self, entry: dict[str, Any]) -> dict[str, Any]:
        """An entry of the queue as it is now."""
        return next(one for one in self.queue() if one["id"] == entry["id"])

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until ``done``, which may take some seconds; asks seldom."""
        end = time.monotonic() + patience.SECONDS
        while not done():
            assert time.monotonic() < end, self.queue()
            time.sleep(0.1)

    def clear(self) -> None:
        """Nothing renders, and nothing is in the queue."""
        self.ask("/api/queue/pause", {"paused": False})
        self.ask("/api/queue/cancel", {})
        patience.until(lambda: all(one["state"] not in ("running", "waiting") for one in self.queue()))
        self.ask("/api/queue/clear", {})

    def renderers(self) -> list[int]:
        """Processes that it has started."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text("ascii").split()]

    def end(self, how: signal.Signals = signal.SIGINT) -> str:
        """What it printed after its address."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        out, _ = self.process.communicate(timeout=patience.SECONDS)
        return out

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it; its exit code."""
        assert "Traceback" not in self.end(how)
        return self.process.returncode
