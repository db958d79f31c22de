"""A studio in this process behind its guard, and one in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from sdbatch.config.validation import validate
from sdbatch.studio.app import app
from sdbatch.studio.guard import LOCAL, Rules
from sdbatch.studio.studio import Studio
from tests.patience import until

HEADERS = {"X-Sdbatch": "studio"}
TOKEN = "a-token-of-the-tests"


class Client(TestClient):
    """Requests as the page sends them."""

    def order(self, path: str, data: Any = None) -> dict[str, Any]:
        answer = self.post(path, json=data if data is not None else {})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def form(kind: str = "picture", model: str = "fake", name: str = "", **fields: Any) -> dict[str, Any]:
    """A form; the dots of keys are written as two underscores."""
    given = {key.replace("__", "."): value for key, value in fields.items()}
    return {"kind": kind, "model": model, "name": name, "fields": given}


def made(**data: Any) -> Studio:
    """A studio in the working folder, whose renderer is not started."""
    return Studio(validate({"model": {"kind": "fake"}, **data}), anywhere=True)


def client(studio: Studio, token: str = "", headers: dict[str, str] | None = None) -> Client:
    found = Client(app(studio, Rules(token, LOCAL, 80)), base_url="http://127.0.0.1")  # type: ignore[arg-type]
    found.headers.update(HEADERS if headers is None else headers)
    return found


class Process:
    """``python -m sdbatch task=studio`` in ``folder``."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "sdbatch", "task=studio", "studio.browser=false", "studio.port=0", *arguments]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout
        first = self.process.stdout.readline()
        assert first, self.process.communicate()[1]
        self.address = first.split()[-1]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=60) as answer:
            return json.loads(answer.read())

    def send(self, path: str, data: Any = None) -> Any:
        headers = {**HEADERS, "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(data or {}).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("api/queue")["entries"]
        return found

    def states(self) -> dict[str, str]:
        return {e["name"]: e["state"] for e in self.entries()}

    def wait_for(self, **states: str) -> None:
        """Wait until the entries have these states."""
        until(lambda: states.items() <= self.states().items(), lambda: str(self.entries()))

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it; its exit code."""
        self.process.send_signal(how)
        out, error = self.process.communicate(timeout=60)
        assert "Traceback" not in out + error, error
        return self.process.returncode

    def renderers(self) -> list[int]:
        """The process ids of its renderer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        threads = children.parents[1].glob("*/children")
        return [int(pid) for path in threads for pid in path.read_text().split()]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Process]:
    """A studio that is ended at the end of the block, if it has not."""
    found = Process(folder, *arguments)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
        found.process.wait()
        for stream in filter(None, (found.process.stdout, found.process.stderr)):
            stream.close()
