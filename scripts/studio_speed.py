"""How fast the studio answers: python scripts/studio_speed.py, on a machine with nothing else to do.

Until the form is there, checks of plans of 10,000 jobs, and pictures of one session with the embedded model.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

COMMAND = [sys.executable, "-m", "sdbatch", "task=studio", "studio.browser=false", "studio.port=0", "model=tiny"]
PLANS: dict[str, dict[str, Any]] = {
    "1 picture": {"prompts": "red torii gate"},
    "5 prompts x 2,000 seeds": {"prompts": "red torii {a|b|c|d|e}", "seeds": "0..1999"},
    "91 guidances x 90 steps": {"prompts": "gate", "sampling.guidance": "1..10..0.1", "sampling.steps": "10..99"},
    "10,000 prompts": {"prompts": [f"red torii gate {n}" for n in range(10_000)]},
    "10,000 films": {"prompts": "red torii gate", "seeds": "0..9999", "motion.mode": "zoom", "motion.seconds": 6},
}  # fmt: skip
TIMES = 5


class Studio:
    """A studio in a folder of its own."""

    def __init__(self, folder: str) -> None:
        self.process = subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.PIPE, text=True)  # noqa: S603  (ours)
        assert self.process.stdout
        self.address = self.process.stdout.readline().split()[-1]

    def ask(self, path: str, data: dict[str, Any] | None = None) -> Any:
        headers = {"X-Sdbatch": "studio", "Content-Type": "application/json"}
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.address + path, body, headers)  # noqa: S310  (this machine)
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.loads(answer.read())

    def picture(self, seed: int) -> float:
        """Seconds from the click until the picture is done."""
        began = time.perf_counter()
        fields = {"prompts": "red torii gate, sea, sunset sky", "seeds": seed}
        entry = self.ask("api/render", {"model": "tiny", "fields": fields})["entry"]["id"]
        while {e["id"]: e["state"] for e in self.ask("api/queue")["entries"]}[entry] in ("waiting", "running"):
            time.sleep(0.02)
        return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        studio = Studio(folder)
        studio.ask("api/form")
        say(f"form {time.perf_counter() - began:.2f} s")
        for name, fields in PLANS.items():
            form = {"kind": "film" if "motion.mode" in fields else "picture", "model": "tiny", "fields": fields}
            times = []
            for _ in range(TIMES):
                began = time.perf_counter()
                studio.ask("api/check", form)
                times.append(time.perf_counter() - began)
            say(f"check of {name}: first {times[0] * 1e3:.0f} ms, then {max(times[1:]) * 1e3:.0f} ms at most")
        say("pictures: " + ", ".join(f"{studio.picture(seed):.2f} s" for seed in range(TIMES)))
        studio.process.send_signal(signal.SIGINT)
        studio.process.wait()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
