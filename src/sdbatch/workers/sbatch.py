"""Scripts for sbatch, as text: an array of workers, and the job after it. Pure.

Every worker runs the same command line; they divide the plan by claims, so the index in the array means nothing.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdbatch.config.cluster import SubmitSettings

RESTARTS = 2  # of a job whose worker was killed; the other workers take over its work meanwhile

# bash waits for the worker, because SLURM signals the batch shell alone (B:) and a trap interrupts `wait`. A job whose
# worker has drained goes back into the queue; one whose worker was killed as well, a few times. After scancel (SIGTERM,
# which SLURM sends to the worker too) nothing is requeued. SLURM_JOB_ID would not do: that of the last task is also the
# number of the whole array.
_TRAPS = """\
worker= draining= stopped=
trap 'draining=1; [ -z "$worker" ] || kill -USR1 "$worker"' USR1
trap 'stopped=1' TERM
"""
_WORKER = """\
{command} &
worker=$!
[ -z "$draining" ] || kill -USR1 "$worker"
while wait "$worker"; code=$?; kill -0 "$worker" 2>/dev/null; do :; done
"""
_REQUEUE = """\
if [ "$code" -gt 128 ] && [ -z "$stopped" ]; then
  if [ -n "$draining" ] || {{ [ "$code" -ne 130 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {restarts} ]; }}; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
  fi
fi
"""


@dataclass(frozen=True, slots=True)
class Scripts:
    """Makes the scripts. ``name``: of the experiment, a slug. ``cwd``: the working folder, which all nodes share.

    ``logs`` is relative to it. ``arguments``: of a worker's command line.
    """

    settings: SubmitSettings
    name: str
    cwd: Path
    logs: Path
    arguments: Sequence[str]

    def workers(self, count: int) -> str:
        """An array of ``count`` workers."""
        s = self.settings
        limits = {"time": s.time, "signal": f"B:USR1@{s.signal}", "cpus-per-task": s.cpus, "mem": s.memory}
        gpus = {"gres": f"gpu:{s.gpus}"} if s.cards else {}
        options: dict[str, object] = {
            "array": array(s, count),
            **limits,
            **gpus,
            "requeue" if s.requeue else "no-requeue": True,
        }
        body = _WORKER.format(command=self._command(f"task={s.task}"))
        requeue = _REQUEUE.format(restarts=RESTARTS) if s.requeue else ""
        return self._script(f"sdbatch-{self.name}", options, f'{body}{requeue}exit "$code"\n', _TRAPS)

    def collect(self) -> str:
        """The job after the workers: merges records, writes the gallery, reports what is missing."""
        return self._script(
            f"sdbatch-{self.name}-end", {"time": self.settings.time}, self._command("task=collect") + "\n"
        )

    def _command(self, task: str) -> str:
        return shlex.join([sys.executable, "-m", "sdbatch", *self.arguments, task])

    def _script(self, job: str, options: dict[str, object], body: str, first: str = "") -> str:
        s = self.settings
        common = {"job-name": job, "partition": s.partition, "account": s.account, "qos": s.qos}
        own = {"output": f"{self.logs}/%x-%A_%a.log" if "array" in options else f"{self.logs}/%x-%j.log"}
        lines = [*_lines({**common, **own, "open-mode": "append", **options}), *s.options]
        head = "\n".join(f"#SBATCH {line}" for line in lines)
        return f"#!/bin/bash\n{head}\n{first}cd -- {shlex.quote(str(self.cwd))} || exit 1\n{body}"


def _lines(options: dict[str, object]) -> Iterator[str]:
    for name, value in options.items():
        if value is not None:
            yield f"--{name}" if value is True else f"--{name}={value}"


def array(settings: SubmitSettings, count: int) -> str:
    """The value of ``--array`` for ``count`` workers."""
    return f"0-{count - 1}" + (f"%{settings.at_once}" if settings.at_once else "")


def split(count: int, largest: int) -> list[int]:
    """``count`` workers as arrays of at most ``largest`` (MaxArraySize limits the index, so each array)."""
    whole, rest = divmod(count, largest)
    return [largest] * whole + ([rest] if rest else [])
