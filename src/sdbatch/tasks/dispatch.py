"""Validates plain data and runs its task. Raises; never exits: ``cli`` turns errors into exit codes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.registry import TASKS
from sdbatch.config.validation import validate
from sdbatch.config.written import AS_DATA, Written
from sdbatch.errors import ConfigError, Problem
from sdbatch.motion import MODES
from sdbatch.motion.settings import Motion


def run(
    data: dict[str, Any], given: Collection[str] = (), hidden: Sequence[str] = (), written: Written = AS_DATA
) -> Any:
    """Validate ``data`` and run its task; the exit code, or a ``submission.Submission`` that the caller waits for.

    ``given``: keys set on the command line. ``hidden``: user files that built-in files of the same name hide.
    ``written``: what ``data`` was composed of. Raises ConfigError with every mistake before anything is written.
    """
    experiment = checked(data, given, hidden).as_written(written)
    return TASKS[experiment.task].run(experiment)


def checked(data: dict[str, Any], given: Collection[str] = (), hidden: Sequence[str] = ()) -> Experiment:
    """Validate ``data``; arguments as in ``run``. Raises ConfigError with every mistake."""
    problems = [
        Problem("", f"{path} has the name of a built-in file and would be ignored", "rename it") for path in hidden
    ]
    try:
        experiment = validate(data)
        problems += _swept_and_given(experiment, given)
        problems += _still_with_motion(experiment, given)
        problems += _final_elsewhere(experiment, given)
    except ConfigError as e:
        raise ConfigError([*problems, *e.problems]) from e
    if problems:
        raise ConfigError(problems)
    return experiment


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``more``; sections are merged, as Hydra does."""
    both = {k: (base[k], v) for k, v in more.items() if isinstance(base.get(k), Mapping) and isinstance(v, Mapping)}
    return {**base, **more, **{k: merged(old, new) for k, (old, new) in both.items()}}


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


def _still_with_motion(experiment: Experiment, given: Collection[str]) -> list[Problem]:
    """A forgotten mode: with other keys of motion the user expects a video. On the command line still is a choice."""
    settings, usual = experiment.motion, Motion()
    chosen = "motion.mode" in given or any("motion.mode" in entry for entry in experiment.sweep)
    unused = [f"motion.{key}" for key in Motion.model_fields if getattr(settings, key) != getattr(usual, key)]
    if settings.mode != "still" or chosen or not unused:
        return []
    verb = "has" if len(unused) == 1 else "have"
    hint = f"write mode: {', '.join(mode for mode in MODES if mode != 'still')}; for pictures motion.mode=still"
    return [Problem("motion.mode", f"is still, so {', '.join(unused)} {verb} no effect", hint)]


def _final_elsewhere(experiment: Experiment, given: Collection[str]) -> list[Problem]:
    """``submit.task`` says what the jobs of a cluster render; without it something else would be rendered, or here."""
    if experiment.task == "final" and experiment.submit.wait:
        return [Problem("task", "final renders in this process, not on a cluster", "set submit.task=final instead")]
    keys = sorted(key for key in given if key.partition(".")[0] == "final")
    if experiment.task == "submit" and experiment.submit.task == "render" and keys:
        text = "has no effect: the jobs of submit.task=render render the whole plan"
        return [Problem(key, text, "set submit.task=final") for key in keys]
    return []
