"""A process that renders a plan with its page; says in a file when it writes a file of the page, not of a thumbnail."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from sdbatch.engine.fake import FakeRenderer
from sdbatch.errors import ConfigError
from sdbatch.gallery import Live, Site, live
from sdbatch.runner import Options, run
from sdbatch.store import Store
from sdbatch.terminal.progress import Progress
from tests.gallery.render import planned, site


def main(wish: dict[str, Any]) -> int:
    log = os.open(wish["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    put = Site._put

    def logged(self: Site, path: Path, data: bytes) -> None:
        os.write(log, f"{os.getpid()} begin\n".encode())
        put(self, path, data)
        os.write(log, f"{os.getpid()} end\n".encode())

    Site._put = logged  # type: ignore[method-assign, assignment]
    live.TICK = live.CHECK = 0.1
    os.write(log, f"{os.getpid()} ready\n".encode())
    plan, store = planned("x", prompts=["a sea"], seeds=f"0..{wish['jobs'] - 1}"), Store(Path(wish["root"]), False)
    while not Path(wish["begin"]).exists():
        time.sleep(0.005)
    shown = Live(lambda: site(plan, store), Progress())
    with shown.watching():
        run(plan, store, lambda: FakeRenderer(wish["delay"], rows=wish["rows"]), Options(observer=shown))
    sys.stdout.write(shown.error)
    return 3 if shown.error else 0


if __name__ == "__main__":
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except ConfigError as e:
        sys.stdout.write(str(e))
        sys.exit(2)
