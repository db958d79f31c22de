"""The ``submit:`` keys: how SLURM starts workers (task=submit). Every value is data: none reaches a shell unchecked."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from sdbatch.config.fields import Names, Section
from sdbatch.errors import shown

# Options of sbatch that the scripts set themselves: the key to use instead, or none.
RESERVED = {
    **dict.fromkeys(("array", "dependency", "parsable", "wait", "wrap", "test-only", "chdir"), ""),
    **dict.fromkeys(("output", "error", "open-mode", "job-name", "input", "kill-on-invalid-dep", "uid", "gid"), ""),
    **dict.fromkeys(("gres", "gpus", "gpus-per-node", "gpus-per-task"), "submit.gpus"),
    **dict.fromkeys(("requeue", "no-requeue"), "submit.requeue"),
    "time": "submit.time",
    "signal": "submit.signal",
    "partition": "submit.partition",
    "account": "submit.account",
    "qos": "submit.qos",
    "cpus-per-task": "submit.cpus",
    "mem": "submit.memory",
}
_OPTION = re.compile(r"--([a-z][a-z0-9-]*)(=[\w.,:@%/+|&*\[\]-]+)?")
_GPUS = r"^([a-z0-9_.-]+:)?[0-9]{1,2}$"


def _text(pattern: str, what: str) -> Any:
    """A text that matches ``pattern``; ``what`` is allowed."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{shown(value)} is not allowed; write {what}")
        return value

    return Annotated[str, AfterValidator(check), Field(json_schema_extra={"pattern": f"^({pattern})$"})]


def _gpus(value: Any) -> Any:
    if isinstance(value, bool) or not re.fullmatch(_GPUS, str(value)):
        raise ValueError(f"{shown(value)} is not allowed; write how many, or type:how many such as a100:2")
    return str(value)


def _options(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        found = _OPTION.fullmatch(value)
        if found is None:
            raise ValueError(f"{shown(value)} is not allowed; write a long option of sbatch, such as --constraint=a100")
        if (key := RESERVED.get(found[1])) is not None:
            raise ValueError(f"{shown(value)} is set by sdbatch; {f'use {key}' if key else 'leave it out'}")
    return values


_Name = _text(r"[\w.,-]+", "a name of SLURM: letters, digits, . , - and _")


class SubmitSettings(Section):
    """An array of SLURM jobs that render together (task=submit)."""

    task: Literal["render", "final"] = Field("render", description="what the jobs do: the plan, or what final selects")
    dry: bool = Field(False, description="write and print the scripts, submit nothing")
    wait: bool = Field(False, description="show the progress of the jobs until the last one has ended")
    workers: int | None = Field(
        None, ge=1, le=100_000, description="jobs of the array; null: from the plan's cost and hours"
    )
    hours: float | None = Field(
        None, gt=0, le=10_000, description="desired duration of the whole plan; null: four fifths of time"
    )
    time: _text(r"(\d{1,3}-)?\d{1,3}:\d\d:\d\d", '"hours:minutes:seconds" or "days-hours:minutes:seconds"') = Field(  # type: ignore[valid-type]
        "04:00:00", description="time limit of one job"
    )
    signal: int = Field(
        120, ge=10, le=36_000, description="seconds before the limit at which a job starts nothing new, to be requeued"
    )
    requeue: bool = Field(True, description="jobs that reach their limit, are preempted or lose their node start again")
    at_once: int | None = Field(None, ge=1, le=100_000, description="most jobs that run at the same time")
    gpus: Annotated[str, BeforeValidator(_gpus, json_schema_input_type=int | str)] = Field(
        "1", description="GPUs of one job, each with a process of its own: 1, or a100:2; 0: none"
    )
    cpus: int | None = Field(None, ge=1, le=1024, description="CPU cores of one job")
    memory: _text(r"\d+[KMGT]", "a size with its unit: 16G") | None = Field(None, description="memory of one job")  # type: ignore[valid-type]
    partition: _Name | None = Field(None, description="null, here and below: the cluster's default")  # type: ignore[valid-type]
    account: _Name | None = Field(None, description="the account that pays")  # type: ignore[valid-type]
    qos: _Name | None = Field(None, description="the quality of service")  # type: ignore[valid-type]
    options: Annotated[Names, AfterValidator(_options)] = Field(
        (), description="further options of sbatch: [--constraint=a100, --exclude=node7]"
    )

    @property
    def limit(self) -> float:
        """``time`` in hours."""
        days, _, clock = self.time.rpartition("-")
        hours, minutes, seconds = map(int, clock.split(":"))
        return 24 * int(days or 0) + hours + minutes / 60 + seconds / 3600

    @property
    def cards(self) -> int:
        """The number of GPUs of one job."""
        return int(self.gpus.rpartition(":")[2])
