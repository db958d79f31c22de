"""Experiments rendered for the browser of tests/conftest.py."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdbatch.spec.codecs import CODECS, Codec
from sdbatch.store import Store
from tests.gallery.render import rendered


@pytest.fixture(scope="session")
def land(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 prompts x 2 guidances x 4 seeds; one prompt fails at one seed, one warns."""
    prompts = [{"id": name, "text": f"a {name}, sea, sunset sky"} for name in ("torii", "castle", "boat")]
    sweep = [{"sampling.guidance": [2, 4]}]
    store = rendered(tmp_path_factory.mktemp("land"), "land", prompts=prompts, seeds="0..3", sweep=sweep)
    return store.root


@pytest.fixture(scope="session")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 prompts x 2 ratios x 3 guidances x 4 seeds, minus 8 that are skipped."""
    data: dict[str, Any] = {
        "prompts": [f"a quiet place with a {colour} torii gate" for colour in ("red", "green")],
        "canvas": ["16:9", "1:1"],
        "sweep": [{"sampling.guidance": [2, 5, 8]}],
        "skip": [{"canvas": "1:1", "sampling.guidance": 8}],
    }
    return rendered(tmp_path_factory.mktemp("forty"), "forty", seeds=[0, 1, 2, 3_000_000_000], **data).root


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures and videos of two prompts."""
    motion = {"mode": "zoom", "frames": 24, "fps": 12, "zoom": [[0, 1.0], ["end", 2.0]]}
    sweep = [{"motion.mode": ["still", "zoom"]}]
    prompts = [{"id": "torii", "text": "a torii"}, {"id": "boat", "text": "a boat"}]
    folder = tmp_path_factory.mktemp("films")
    return rendered(folder, "films", prompts=prompts, motion=motion, sweep=sweep, canvas=["16:9"]).root


@pytest.fixture(scope="session")
def repainted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's picture by two strengths, and a plain picture beside them."""
    folder = tmp_path_factory.mktemp("repainted")
    Image.linear_gradient("L").resize((64, 64)).save(folder / "photo.png")
    sweep = [{"init.image": [str(folder / "photo.png"), None], "init.strength": [0.3, 0.8]}, {"seeds": [0, 1]}]
    return rendered(folder, "repainted", prompts=["a torii"], sweep=sweep).root


@pytest.fixture(scope="session", params=CODECS)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Codec, Store]:
    """One video of each codec, from an experiment with two seeds."""
    codec: str = request.param
    motion = {"mode": "zoom", "frames": 6, "fps": 6, "zoom": [[0, 1.0], ["end", 2.0]]}
    folder, prompts = tmp_path_factory.mktemp(codec), [{"id": "torii", "text": "a torii"}]
    data = {"prompts": prompts, "motion": motion, "encoding": {"codec": codec, "interpolate": 2}, "seeds": [0, 1]}
    return CODECS[codec], rendered(folder, codec, **data)  # type: ignore[arg-type]


class Handler(http.server.SimpleHTTPRequestHandler):
    sandbox = False

    def end_headers(self) -> None:
        if self.sandbox:  # as Jupyter serves files
            self.send_header("Content-Security-Policy", "sandbox allow-scripts")
        super().end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """``serve(folder)`` is the address of its page on a server."""
    servers = []

    def start(folder: Path, sandbox: bool = False) -> str:
        kind = type("H", (Handler,), {"sandbox": sandbox})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/index.html"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
