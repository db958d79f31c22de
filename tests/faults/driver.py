"""A process that renders small plans with the fake renderer; the fault tests kill, starve and interrupt it."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdbatch import files, motion
from sdbatch.engine.fake import FakeRenderer, Faults
from sdbatch.errors import SdbatchError
from sdbatch.plan import division
from sdbatch.runner import Options, run
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Failure, Feed, Picture
from sdbatch.store import Store
from tests.motion.videos import BASE
from tests.motion.videos import video as moving
from tests.runner.little import CHAIN, LittlePlan, plan, still, video


def make_plan(wish: dict[str, Any]) -> LittlePlan:
    """Stills, videos of their own shots, and chains; or the videos of these names, of another size and length."""
    if motions := wish.get("motions"):
        base = replace(BASE, **wish.get("size", {}))
        length = {"frames": wish["frames"]} if "frames" in wish else {}
        return plan(*(moving(name, base, **length) for name in motions))
    motion.MODES["chain"] = CHAIN
    stills, videos, frames = wish.get("stills", 0), wish.get("films", 0), wish.get("frames", 8)
    jobs = [video(frames, seed=1000 + i, mode=("prompt", "chain")[i % 2]) for i in range(videos)]
    return LittlePlan(lambda i: still(i) if i < stills else jobs[i - stills], stills + videos)


class Logged(FakeRenderer):
    """Says in a file what it rendered, in one write each; ``stubborn`` will not be interrupted."""

    log = ""
    stubborn = False
    computing = False

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        fd = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if self.log else -1
        for result in super().render(feed):
            if fd >= 0:
                os.write(fd, f"{result.shot.id}\n".encode())
            yield result

    def _result(self, shot: Shot, feed: Feed) -> Picture | Failure:
        if not self.computing:
            self.computing = True
            say("computing")
        while self.stubborn:
            try:
                signal.pause()
            except KeyboardInterrupt:
                say("not interrupted")
        return super()._result(shot, feed)


def render(root: str, wish: dict[str, Any]) -> int:
    """Render as ``wish`` says; the exit code is the program's."""
    jobs = make_plan(wish)
    if "file_limit" in wish:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wish["file_limit"], wish["file_limit"]))

    def open_renderer() -> Logged:
        faults = Faults(**{name: tuple(words) for name, words in wish.get("faults", {}).items()})
        renderer = Logged(wish.get("delay", 0), faults)
        renderer.log, renderer.stubborn = wish.get("log", ""), wish.get("stubborn", False)
        say("open")
        return renderer

    if "read_delay" in wish:
        stored = ShotCache._read

        def slowly(*arguments: Any) -> Any:
            time.sleep(wish["read_delay"])
            return stored(*arguments)

        ShotCache._read = slowly  # type: ignore[method-assign,assignment]
    division.GUIDE = wish.get("guide", division.GUIDE)
    if wish.get("locks") is False:
        no_locks()
    if "clock" in wish:
        clock = time.time
        time.time = lambda: clock() + wish["clock"]
    say("ready")
    while "begin" in wish and not Path(wish["begin"]).exists():
        time.sleep(0.001)  # all begin in the same instant
    options = Options(shard=tuple(wish.get("shard", (0, 1))))
    try:
        outcome = run(jobs, Store(Path(root), wish.get("durable", False)), open_renderer, options)
    except SdbatchError as e:
        say(json.dumps({"error": str(e)}))
        return 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = {k: getattr(outcome, k) for k in ("done", "skipped", "failed", "left", "interrupted")}
    say(json.dumps({**counts, "peak_kb": peak}))
    return 130 if outcome.interrupted else 1 if outcome.failed else 0


def no_locks() -> None:
    """A file system without locks, as some cluster file systems are mounted."""

    @contextmanager
    def locked(path: Path) -> Iterator[bool]:
        files.make_folder(path.parent)
        yield False

    files.locked = locked
    files.try_lock = lambda *_, **__: False


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def serve() -> None:
    """Fork a process for each line of {"root", "wish", "out"}; say how it ended for each {"ended": pid}.

    The imports are made once, so that hundreds of kills take minutes and hit the rendering, not the start.
    """
    for line in sys.stdin:
        order = json.loads(line)
        if "ended" in order:
            pid, status = os.waitpid(order["ended"], os.WNOHANG)
            say(json.dumps(os.waitstatus_to_exitcode(status) if pid else None))
        elif pid := os.fork():
            say(str(pid))
        else:
            _child(order)


def _child(order: dict[str, Any]) -> None:
    out = os.open(order["out"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    code = 70
    try:
        code = render(order["root"], order["wish"])
    except BaseException:
        say(traceback.format_exc())
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
