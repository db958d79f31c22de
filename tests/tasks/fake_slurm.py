"""A stand-in for SLURM's commands: runs the tasks of an array at once, as processes of this machine.

``install`` makes sbatch, squeue, scancel and scontrol in a folder of PATH. The real ones are tested in tests/cluster/.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

COMMANDS = ("sbatch", "squeue", "scancel", "scontrol")
STATE = Path(os.environ.get("FAKE_SLURM", "."))


def install(folder: Path, max_array_size: int = 1001) -> dict[str, str]:
    """Make the commands in ``folder``; the environment that finds them."""
    folder.mkdir()
    for name in COMMANDS:
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        (folder / name).chmod(0o755)
    (folder / "size").write_text(str(max_array_size))
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "FAKE_SLURM": str(folder)}


def calls(folder: Path) -> list[list[str]]:
    """All commands so far, with their arguments."""
    try:
        return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]
    except FileNotFoundError:
        return []


def pids() -> list[int]:
    return [int(p.name) for p in STATE.glob("pids/*") if _runs(int(p.name))]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sbatch(arguments: list[str]) -> None:
    script = Path(arguments[-1])
    given = dict(a.lstrip("-").partition("=")[::2] for a in arguments[:-1])
    if "refused" in script.read_text():
        sys.exit("sbatch: error: invalid partition specified: refused")
    count = int(given["array"].partition("%")[0].partition("-")[2]) + 1 if "array" in given else 1
    number = len(calls(STATE))
    (STATE / "pids").mkdir(exist_ok=True)
    for index in range(count if "dependency" not in given else 0):
        environment = {**os.environ, "SLURM_ARRAY_JOB_ID": f"{number}", "SLURM_ARRAY_TASK_ID": str(index)}
        with (STATE / f"{number}_{index}.log").open("wb") as log:
            task = subprocess.Popen(
                ["bash", str(script)], stdout=log, stderr=log, env=environment, start_new_session=True
            )
        (STATE / "pids" / str(task.pid)).touch()
    print(number)


def main(name: str, arguments: list[str]) -> None:
    with (STATE / "calls").open("a") as f:
        f.write(json.dumps([name, *arguments]) + "\n")
    if name == "sbatch":
        sbatch(arguments)
    elif name == "squeue":
        print("RUNNING\n" * len(pids()), end="")
    elif name == "scancel" and "--state=PENDING" not in arguments:
        for pid in pids():
            os.killpg(pid, signal.SIGTERM)
    elif name == "scontrol" and arguments[:1] == ["show"]:
        print(f"MaxArraySize            = {(STATE / 'size').read_text()}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
