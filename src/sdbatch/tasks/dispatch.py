"""Validates plain data and runs its task. Raises; never exits: ``cli`` turns errors into exit codes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.registry import TASKS
from sdbatch.config.validation import validate
from sdbatch.errors import ConfigError, Problem


def run(data: dict[str, Any], given: Collection[str] = (), hidden: Sequence[str] = ()) -> Any:
    """Validate ``data`` and run its task; the exit code, or a ``submission.Submission`` that the caller waits for.

    ``given``: keys set on the command line. ``hidden``: user files that built-in files of the same name hide.
    Raises ConfigError with every mistake before anything is written.
    """
    return TASKS[(experiment := checked(data, given, hidden)).task].run(experiment)


def checked(data: dict[str, Any], given: Collection[str] = (), hidden: Sequence[str] = ()) -> Experiment:
    """Validate ``data``; arguments as in ``run``. Raises ConfigError with every mistake."""
    problems = [
        Problem("", f"{path} has the name of a built-in file and would be ignored", "rename it") for path in hidden
    ]
    try:
        experiment = validate(data)
        problems += _swept_and_given(experiment, given)
    except ConfigError as e:
        raise ConfigError([*problems, *e.problems]) from e
    if problems:
        raise ConfigError(problems)
    return experiment


def _swept_and_given(experiment: Experiment, given: Collection[str]) -> list[Problem]:
    swept = {key: n for n, entry in enumerate(experiment.sweep) for key in entry}
    return [
        Problem(
            key,
            f"is swept by the experiment (sweep[{swept[key]}]), so a value for it would be ignored",
            "set sweep=[] too",
        )
        for key in sorted(swept.keys() & set(given))
        if "sweep" not in given
    ]
