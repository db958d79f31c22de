"""Reads the files that an experiment refers to: prompt files and weights. No later planning step reads files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError, Problem
from sdbatch.models.locate import locate
from sdbatch.models.source import Source
from sdbatch.plan import sounds
from sdbatch.plan.drawn_seeds import Draw, draw
from sdbatch.plan.prompt_files import Text, read_prompts
from sdbatch.plan.styles import Styles, read_styles
from sdbatch.spec.canvas import Size
from sdbatch.spec.canvas import parse as parse_canvas
from sdbatch.spec.ranges import random_seeds


@dataclass(frozen=True, slots=True)
class Resolved:
    """An experiment with its weights, prompts and sizes.

    Styles are applied to its prompts and negative prompt; ``draw`` is where its random seeds come from.
    """

    experiment: Experiment
    source: Source
    prompts: tuple[Text, ...]
    canvas: tuple[tuple[str, Size], ...]  # (as written, pixels)
    styles: Styles  # axes apply them to the texts that sweeps name
    draw: Draw | None = None


def resolve(experiment: Experiment) -> Resolved:
    """Read the prompt files and locate the weights. Raises ConfigError with every mistake found."""
    problems: list[Problem] = []
    prompts: tuple[Text, ...] = ()
    styles = Styles()
    try:
        styles = read_styles(experiment.styles)
    except ConfigError as e:
        problems += e.problems
    try:
        if experiment.prompts or not any("prompts" in entry for entry in experiment.sweep):
            prompts = read_prompts(experiment.prompts, "prompts", experiment.wildcards, styles)
    except ConfigError as e:
        problems += e.problems
    heard = experiment.encoding.audio
    try:
        heard = sounds.read(heard)
    except ConfigError as e:
        problems += e.problems
    try:
        source = locate(experiment.model)
    except ConfigError as e:
        raise ConfigError([*problems, *e.problems]) from e
    if problems:
        raise ConfigError(problems)
    changes: dict[str, Any] = {"negative": styles.negative(experiment.negative)} if styles.used else {}
    if heard is not None:
        changes["encoding"] = experiment.encoding.model_copy(update={"audio": heard})
    if (drawn := draw(experiment)) is not None:
        changes["seeds"] = drawn.seeds(random_seeds(experiment.seeds) or 0)
    sizes = canvas(experiment, source)
    return Resolved(experiment.model_copy(update=changes), source, prompts, sizes, styles, drawn)


def canvas(experiment: Experiment, source: Source) -> tuple[tuple[str, Size], ...]:
    """The experiment's canvas entries as written, and in pixels for the model's native area."""
    return tuple((c, parse_canvas(c, source.native, source.model.scale)) for c in experiment.canvas)
