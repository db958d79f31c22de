"""A studio in this process behind its guard, and one in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from sdbatch.config.validation import validate
from sdbatch.studio.app import app
from sdbatch.studio.guard import LOCAL, Rules
from sdbatch.studio.studio import Studio
from tests.studio import studio_process

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


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[studio_process.Studio]:
    """A studio that is ended at the end of the block, if it has not."""
    found = studio_process.Studio(folder, *arguments)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
        found.process.wait()
        assert found.process.stdout
        found.process.stdout.close()
