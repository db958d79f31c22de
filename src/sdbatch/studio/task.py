"""``task=studio``: serve the form, open the browser, and render what it orders, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

from sdbatch.config.experiment import Experiment
from sdbatch.config.tasks import StudioSettings
from sdbatch.errors import ConfigError
from sdbatch.files import held_elsewhere, make_folder, store_errors
from sdbatch.studio.guard import LOCAL, Rules
from sdbatch.terminal.console import say

NEEDS = ("starlette", "uvicorn")
FOLDER = Path("runs") / "studio"
INTERRUPTED = 130  # exit code: the studio ends by Ctrl-C


def run(experiment: Experiment) -> int:
    """Serve until Ctrl-C; the exit code."""
    if missing := [name for name in NEEDS if find_spec(name) is None]:
        text = f"studio needs {' and '.join(missing)}"
        raise ConfigError.one("task", text, "python -m pip install 'sdbatch[studio]'")
    with _only_one(), closing(_listener(experiment.studio)) as listener:
        return _serve(experiment, listener)


def _serve(experiment: Experiment, listener: socket.socket) -> int:
    from sdbatch.studio.app import app
    from sdbatch.studio.server import Server, serve
    from sdbatch.studio.studio import Studio

    settings, port = experiment.studio, listener.getsockname()[1]
    local = settings.host in LOCAL
    token = _token(settings, local)
    names = set() if local else {socket.gethostname().lower()}
    rules = Rules(token, LOCAL | {settings.host.lower(), *settings.hosts} | names, port)
    studio = Studio(experiment, anywhere=local and not token)
    address = _address(settings, port, token)
    server = Server(app(studio, rules), lambda: _announce(address, settings.browser), studio.events.close)
    studio.start()
    try:
        serve(server, listener)
    finally:
        studio.stop()
    return INTERRUPTED


def _token(settings: StudioSettings, local: bool) -> str:
    if settings.token == "auto" or (settings.token is None and not local):  # noqa: S105  (not a password)
        return secrets.token_urlsafe(24)
    return settings.token or ""


def _address(settings: StudioSettings, port: int, token: str) -> str:
    name = socket.gethostname() if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  (compared)
    host = f"[{name}]" if ":" in name else name
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")


def _announce(address: str, browser: bool) -> None:
    say(f"sdbatch studio: {address}")
    if browser:  # in a thread: it can wait for the browser
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _listener(settings: StudioSettings) -> socket.socket:
    """The socket that the server listens at. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as e:
        listener.close()
        text = f"{settings.host} port {settings.port} cannot be used: {e.strerror or e}"
        raise ConfigError.one("studio.port", text, "studio.port=0 takes any free port") from e
    return listener


@contextmanager
def _only_one() -> Iterator[None]:
    """Make sure that no other studio works on this folder's queue. Raises ConfigError."""
    make_folder(FOLDER)
    path = FOLDER / ".lock"
    with store_errors(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if held_elsewhere(fd):
            raise ConfigError.one("task", "another studio works in this folder", "use its page, or end it")
        yield
    finally:
        os.close(fd)
