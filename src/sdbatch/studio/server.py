"""The HTTP server. Imported only where it is started."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from sdbatch.studio.guard import App

QUIT = 3  # seconds for open connections at the end
MAX_CONNECTIONS = 256


class Server(uvicorn.Server):
    """Serves ``app``. ``started`` is called when it listens, ``ending`` at the first signal."""

    def __init__(self, app: App, started: Callable[[], None], ending: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            timeout_graceful_shutdown=QUIT,
            limit_concurrency=MAX_CONNECTIONS,
        )
        super().__init__(config)
        self._begun, self._ending = started, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending()
        super().handle_exit(sig, frame)


def serve(server: Server, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM; both end in the same way."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(server.serve([listener]))
    except KeyboardInterrupt:  # uvicorn raises the signal again, once it has ended
        return
    finally:
        signal.signal(signal.SIGTERM, before)
