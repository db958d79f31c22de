"""Kills a process at each line of the modules that create shared files, while another process has begun.

Says for each line what the survivor's claim gave, and what was left when it had ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from sdbatch.files import atomic
from sdbatch.store import Claims, claims, heartbeat

TRACED = {module.__file__ for module in (atomic, claims, heartbeat)}


def die_at(line: int) -> None:
    """SIGKILL this process at the ``line``-th line that it executes in TRACED."""
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def claim(root: Path, line: int) -> None:
    """Begin, claim, and die at ``line`` or end normally."""
    die_at(line)
    Claims(root, "s", "dies").take("c")
    os._exit(0)


def main(folder: Path) -> None:
    for line in count(1):
        root = folder / str(line)
        root.mkdir()
        begin, begun = os.pipe()
        if not (pid := os.fork()):  # before the survivor's heartbeat: a process with threads is not forked
            os.read(begin, 1)
            claim(root, line)
        survivor = Claims(root, "s", "lives")
        os.write(begun, b".")
        _, status = os.waitpid(pid, 0)
        answer = survivor.take("c")
        survivor.leave(ended=True)
        if os.waitstatus_to_exitcode(status) == 0:
            return
        print(json.dumps({"line": line, "claim": answer, "left": [path.name for path in root.iterdir()]}))
        os.close(begin)
        os.close(begun)


main(Path(sys.argv[1]))
