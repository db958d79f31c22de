"""One worker process, seen from the supervisor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

COMMAND = (sys.executable, "-m", "sdbatch", "--worker")
Send = Callable[[str, Any], None]  # kind: "event", "message" or "ended"; what


class Process:
    """Starts at once. ``send`` is called from threads with each event, each message, and finally the exit code."""

    def __init__(
        self, settings: Mapping[str, Any], environment: Mapping[str, str], send: Send, command: Sequence[str] = COMMAND
    ) -> None:
        # A session of its own: Ctrl-C on the terminal reaches only the supervisor, which stops its workers.
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter, no shell)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(environment),
            start_new_session=True,
        )
        self._send = send
        threading.Thread(target=self._follow, args=(json.dumps(settings).encode() + b"\n",), daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, data: Mapping[str, Any]) -> None:
        """Send it one more line. Nothing happens if it has ended."""
        assert self._process.stdin
        with suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(data).encode() + b"\n")
            self._process.stdin.flush()

    def stop(self) -> None:
        """Ask it to stop, as SIGTERM does: its input ends."""
        assert self._process.stdin
        with suppress(OSError):
            self._process.stdin.close()

    def drain(self) -> None:
        """Ask it to finish what it renders now, and then to end."""
        self._process.send_signal(signal.SIGUSR1)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()

    def _follow(self, settings: bytes) -> None:
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        with suppress(OSError, ValueError):  # it died, or was asked to stop, before it had read all
            self._process.stdin.write(settings)
            self._process.stdin.flush()
        messages = threading.Thread(target=self._pass_on, args=(self._process.stderr,), daemon=True)
        messages.start()
        for event in _events(self._process.stdout):
            self._send("event", event)
        messages.join()
        code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):
                stream.close()
        self._send("ended", code)

    def _pass_on(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._send("message", line.decode("utf-8", "replace").rstrip())


def _events(lines: Iterable[bytes]) -> Iterable[list[Any]]:
    for line in lines:
        with suppress(ValueError):  # cut off where the process died
            yield json.loads(line)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker, which imports the same sdbatch as this process."""
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}
