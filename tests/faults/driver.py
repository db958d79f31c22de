"""One process that renders a small plan with the fake renderer; the fault tests kill, starve and interrupt it.

    python -m tests.faults.driver ROOT '{"stills": 40, "films": 2, "delay": 0.01, "log": "rendered.txt"}'

Prints ``ready`` before it begins and the outcome as JSON at the end; exit codes as the program's.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from sdbatch import motion
from sdbatch.errors import SdbatchError
from sdbatch.fake import FakeRenderer, Faults
from sdbatch.render import Failure, Feed, Picture
from sdbatch.runner import Options, run
from sdbatch.store import Store
from tests.runner.little import CHAIN, LittlePlan, film, still


def make_plan(stills: int, films: int, frames: int) -> LittlePlan:
    """Stills, films of their own shots, and chains."""
    motion.MODES["chain"] = CHAIN  # type: ignore[assignment]
    jobs = [film(frames, seed=1000 + i, mode=("prompt", "chain")[i % 2]) for i in range(films)]
    return LittlePlan(lambda i: still(i) if i < stills else jobs[i - stills], stills + films)


class Logged(FakeRenderer):
    """Says in a file what it rendered, in one write each; ``stubborn`` will not be interrupted."""

    log = ""
    stubborn = False

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        fd = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if self.log else -1
        for result in super().render(feed):
            if fd >= 0:
                os.write(fd, f"{result.shot.id}\n".encode())
            yield result

    def _result(self, shot, feed):
        while self.stubborn:
            try:
                signal.pause()
            except KeyboardInterrupt:
                continue
        return super()._result(shot, feed)


def main(root: str, settings: str) -> int:
    wish = json.loads(settings)
    plan = make_plan(wish.get("stills", 0), wish.get("films", 0), wish.get("frames", 8))
    if "file_limit" in wish:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wish["file_limit"], wish["file_limit"]))

    def open_renderer() -> Logged:
        renderer = Logged(wish.get("delay", 0), Faults(**wish.get("faults", {})))
        renderer.log, renderer.stubborn = wish.get("log", ""), wish.get("stubborn", False)
        sys.stdout.write("open\n")
        sys.stdout.flush()
        return renderer

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    options = Options(shard=tuple(wish.get("shard", (0, 1))))
    try:
        outcome = run(plan, Store(Path(root), wish.get("durable", False)), open_renderer, options)
    except SdbatchError as e:
        sys.stdout.write(json.dumps({"error": str(e)}) + "\n")
        return 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = {k: getattr(outcome, k) for k in ("done", "skipped", "failed", "left", "interrupted")}
    sys.stdout.write(json.dumps({**counts, "peak_kb": peak}) + "\n")
    return 130 if outcome.interrupted else 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
