"""What the gallery costs the renderer, in CPU time.   python scripts/gallery_cost.py

A picture costs its thumbnail (in a writer thread); a second costs one look and one small file (in a thread of its own).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sdbatch.config.validation import validate
from sdbatch.gallery import Site
from sdbatch.gallery.status import StatusTable
from sdbatch.plan.model_axis import by_key
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.store import Record, Store

JOBS = 10_000


def cost(work: Callable[[int], object], times: int) -> float:
    """Milliseconds of this thread's CPU time, each time."""
    began = time.thread_time()
    for n in range(times):
        work(n)
    return 1000 * (time.thread_time() - began) / times


def main(jobs: int = JOBS) -> None:
    how = {"unit": "pictures", "done": 1, "total": jobs, "rate": 1.0, "left": 10, "tick": 1}
    data = {"name": "x", "prompts": ["a sea"], "seeds": f"0..{jobs - 1}", "model": {"kind": "fake"}}
    plan = make_plan(resolve(validate(data)))
    random = np.random.default_rng(0)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "x")
        site = Site(plan, store, by_key(plan.models), plan.axes)
        lines.append(f"before the first of {jobs:,} pictures: {cost(lambda n: site.open(), 1):.0f} ms")
        for side in (128, 512, 1024):
            pixels = random.integers(0, 255, (side // 8, side // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            records = [Record(i, "done", f"images/{i}.png", "b2:0") for i in plan.ids[:50]]
            spent = cost(lambda n: site.thumb(records[n], pixels), 50)  # noqa: B023
            lines.append(f"a picture of {side} x {side}: {spent:.2f} ms")
        status = StatusTable(plan.ids)

        def look(n: int) -> None:
            status.update(records[n])
            site.publish(status, how)

        spent = cost(look, 50)
        lines.append(f"a look, every 0.7 s: {spent:.2f} ms")
        lines.append(f"in the end, with its thumbnails there: {cost(lambda n: site.finish(), 1):.0f} ms")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
