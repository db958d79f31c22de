"""Reads the files that an experiment refers to: prompt files and weights. No later planning step reads files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sdbatch.config.experiment import Experiment
from sdbatch.config.fields import CANVAS_OF_INIT
from sdbatch.config.model import ModelSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, Problems
from sdbatch.models.adapters import Adapters
from sdbatch.models.source import Source
from sdbatch.models.upscalers import Upscalers
from sdbatch.plan import control_axis, inits, sounds
from sdbatch.plan.control_axis import ControlChoice
from sdbatch.plan.drawn_seeds import Draw, draw
from sdbatch.plan.lora_axis import LoraChoice
from sdbatch.plan.lora_axis import choices as lora_choices
from sdbatch.plan.model_axis import Choice, Locator, choices
from sdbatch.plan.pictures import Pictures
from sdbatch.plan.prompt_files import Reader, Text, read_prompts
from sdbatch.plan.styles import Styles, read_styles
from sdbatch.spec.canvas import Size
from sdbatch.spec.canvas import parse as parse_canvas
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.ranges import random_seeds
from sdbatch.spec.sound import Sound

T = TypeVar("T")
U = TypeVar("U")


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
    adapters: Adapters  # LoRAs and textual inversions
    loras: tuple[LoraChoice, ...] = ((),)  # of the experiment: one value, or several, which are an axis
    draw: Draw | None = None
    models: tuple[Choice, ...] = ()  # of the key models
    pictures: Pictures = field(default_factory=Pictures)
    mask: inits.MaskChoice = None
    inits: tuple[InputPicture | None, ...] = (None,)  # of the experiment: one value, or several, which are an axis
    controls: tuple[ControlChoice, ...] = ((),)  # in the same way
    locate: Locator = field(default_factory=Locator)
    upscalers: Upscalers = field(default_factory=lambda: Upscalers((), {}))


def resolve(experiment: Experiment, texts: tuple[Text, ...] | None = None) -> Resolved:
    """Read the prompt files and locate the weights. Raises ConfigError with every mistake found.

    ``texts``: the experiment's prompts, if they have been read already.
    """
    problems = Problems()
    adapters = Adapters(experiment.lora_folders, experiment.embedding_folders, experiment.control_folders)
    locator, pictures = Locator(adapters.files), Pictures(experiment.input_folders, experiment.motion.fps)
    styles = _read(problems, lambda: read_styles(experiment.styles), Styles())
    reader = Reader(experiment.wildcards, styles, adapters)
    prompts: tuple[Text, ...] = ()
    if texts is not None:
        prompts = texts
    elif experiment.prompts or not experiment.has_prompts:
        prompts = _read(problems, lambda: read_prompts(experiment.prompts, "prompts", reader), ())
    found: dict[str, Any] = {
        "loras": _read(problems, lambda: lora_choices(experiment.loras, "loras", adapters), ()),
        "inits": _read(problems, lambda: inits.choices(experiment.init, pictures), ()),
        "mask": _read(problems, lambda: inits.mask_of(experiment.mask, pictures), None),
        "controls": _read(problems, lambda: control_axis.choices(experiment.control, adapters, pictures), ()),
    }
    heard = _read(problems, lambda: sounds.read(experiment.encoding.audio), None)
    models = _read(problems, lambda: choices(experiment.models, experiment.model, "models", locator), ())
    first = models[0].settings if models else _first_swept(experiment, locator)
    source = None if problems and experiment.models else _read(problems, lambda: locator(first), None)
    if problems or source is None:
        raise ConfigError(problems)
    drawn = draw(experiment)
    whole = _completed(experiment, styles, heard, drawn)
    sizes = canvas(experiment, source)
    found |= {"models": models, "pictures": pictures, "locate": locator, "draw": drawn}
    upscalers = Upscalers(experiment.upscaler_folders, adapters.files)
    return Resolved(whole, source, prompts, sizes, styles, adapters, upscalers=upscalers, **found)


def _completed(experiment: Experiment, styles: Styles, heard: Sound | None, drawn: Draw | None) -> Experiment:
    """``experiment`` with the negative prompt of its styles, what is known of its sound, and its random seeds."""
    changes: dict[str, Any] = {"negative": styles.negative(experiment.negative)} if styles.used else {}
    if heard is not None:
        changes["encoding"] = experiment.encoding.model_copy(update={"audio": heard})
    if drawn is not None:
        changes["seeds"] = drawn.seeds(random_seeds(experiment.seeds) or 0)
    return experiment.model_copy(update=changes)


def _read(problems: Problems, read: Callable[[], T], otherwise: U) -> T | U:
    """What ``read`` returns; ``otherwise`` if it raises ConfigError, whose problems are added to ``problems``."""
    with problems:
        return read()
    return otherwise


def _first_swept(experiment: Experiment, locator: Locator) -> ModelSettings:
    """The first model of ``sweep``, or ``model``. A mistake in the sweep is reported with its others."""
    swept = next((entry["models"] for entry in experiment.sweep if "models" in entry), None)
    try:
        entries = check(Experiment, {"models": swept[:1]}).models if isinstance(swept, list) else ()
        return next((c.settings for c in choices(entries, experiment.model, "sweep", locator)), experiment.model)
    except ConfigError:
        return experiment.model


def canvas(experiment: Experiment, source: Source) -> tuple[tuple[str, Size], ...]:
    """The experiment's canvas entries as written, and in pixels for the model's native area.

    The size of an init image is that of the model's square here, until the picture is known.
    """
    written = ((c, "1:1" if c == CANVAS_OF_INIT else c) for c in experiment.canvas)
    return tuple((c, parse_canvas(size, source.native, source.model.scale)) for c, size in written)
