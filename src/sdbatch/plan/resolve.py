"""Reads the files that an experiment refers to: prompt files and weights. No later planning step reads files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.model import ModelSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, Problem
from sdbatch.models.source import Source
from sdbatch.plan import sounds
from sdbatch.plan.drawn_seeds import Draw, draw
from sdbatch.plan.model_axis import Choice, Locator, choices
from sdbatch.plan.prompt_files import Text, read_prompts
from sdbatch.plan.styles import Styles, read_styles
from sdbatch.spec.canvas import Size
from sdbatch.spec.canvas import parse as parse_canvas
from sdbatch.spec.ranges import random_seeds


@dataclass(frozen=True, slots=True)
class Resolved:
    """An experiment with its weights, prompts and sizes.

    ``source`` are the weights of the first job; ``locate`` finds those of ``models``. Styles are applied to its prompts
    and negative prompt; ``draw`` is where its random seeds come from.
    """

    experiment: Experiment
    source: Source
    prompts: tuple[Text, ...]
    canvas: tuple[tuple[str, Size], ...]  # (as written, pixels)
    styles: Styles  # axes apply them to the texts that sweeps name
    draw: Draw | None = None
    models: tuple[Choice, ...] = ()  # of the key models
    locate: Locator = field(default_factory=Locator)


def resolve(experiment: Experiment, texts: tuple[Text, ...] | None = None) -> Resolved:
    """Read the prompt files and locate the weights. Raises ConfigError with every mistake found.

    ``texts``: the experiment's prompts, if they have been read already.
    """
    problems: list[Problem] = []
    prompts: tuple[Text, ...] = ()
    styles = Styles()
    try:
        styles = read_styles(experiment.styles)
    except ConfigError as e:
        problems += e.problems
    try:
        if texts is not None:
            prompts = texts
        elif experiment.prompts or not experiment.has_prompts:
            prompts = read_prompts(experiment.prompts, "prompts", experiment.wildcards, styles)
    except ConfigError as e:
        problems += e.problems
    heard = experiment.encoding.audio
    try:
        heard = sounds.read(heard)
    except ConfigError as e:
        problems += e.problems
    locator = Locator()
    try:
        models = choices(experiment.models, experiment.model, "models", locator)
        source = locator(models[0].settings if models else _first_swept(experiment, locator))
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
    whole = experiment.model_copy(update=changes)
    return Resolved(whole, source, prompts, sizes, styles, drawn, models, locator)


def _first_swept(experiment: Experiment, locator: Locator) -> ModelSettings:
    """The first model of ``sweep``, or ``model``. A mistake in the sweep is reported with its others."""
    swept = next((entry["models"] for entry in experiment.sweep if "models" in entry), None)
    try:
        entries = check(Experiment, {"models": swept[:1]}).models if isinstance(swept, list) else ()
        return next((c.settings for c in choices(entries, experiment.model, "sweep", locator)), experiment.model)
    except ConfigError:
        return experiment.model


def canvas(experiment: Experiment, source: Source) -> tuple[tuple[str, Size], ...]:
    """The experiment's canvas entries as written, and in pixels for the model's native area."""
    return tuple((c, parse_canvas(c, source.native, source.model.scale)) for c in experiment.canvas)
