"""The keys that ``sweep`` accepts and that ``task=final`` may change. Derived from the models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_origin

from pydantic import BaseModel

from sdbatch.config.experiment import EncodingSettings, Experiment, Sampling
from sdbatch.config.passes import HiresSettings, UpscaleSettings
from sdbatch.config.pictures import MaskSettings
from sdbatch.config.validation import shape_hint
from sdbatch.errors import Problem, shown
from sdbatch.motion.settings import Motion

SECTIONS: dict[str, type[BaseModel]] = {
    "sampling": Sampling,
    "motion": Motion,
    "encoding": EncodingSettings,
    "hires": HiresSettings,
    "upscale": UpscaleSettings,
}
LISTS = ("prompts", "canvas", "models", "seeds")
OF_MODEL = ("model.vae", "model.clip_skip")  # keys of the section model that can be swept
STYLES = "styles.use"
TOP = ("negative", "loras", "lora_weight", "control")
INIT = (
    *("init.image", "init.video", "init.strength", "init.resize"),
    *(f"mask.{name}" for name in MaskSettings.model_fields),
)
FIXED = tuple(k for k in Experiment.model_fields if k not in (*LISTS, *SECTIONS, *TOP, "init", "mask"))
SWEEPABLE = (*LISTS, *OF_MODEL, *TOP, STYLES, *INIT, *(f"{s}.{k}" for s, m in SECTIONS.items() for k in m.model_fields))
_EXAMPLES = {
    "control": "[{net: canny, image: photo.png, preprocess: canny}]",
    "loras": "[{path: ink, weight: 0.8}]",
    "models": "[small, {path: a.safetensors}]",
    "prompts": "[{file: prompts.csv}]",
    "sweep": "[{sampling.steps: [10, 20]}]",
    "skip": "[{seeds: 1}]",
}


def wrong_shapes(data: Mapping[Any, Any]) -> list[Problem]:
    """A Problem for every mapping where a list belongs, and the reverse: OmegaConf cannot merge them."""
    problems = _lists_for_mappings(data, Experiment, "")
    for key, value in data.items():
        field = Experiment.model_fields.get(key)
        if field is not None and isinstance(value, Mapping) and (get_origin(field.annotation) is tuple or key in LISTS):
            hint = f"write {key}: {_EXAMPLES.get(key, '[…]')}"
            problems.append(Problem(key, f"{shown(dict(value))} is a mapping, not a list", hint))
    return problems


def _lists_for_mappings(data: Mapping[Any, Any], model: type[BaseModel], prefix: str) -> list[Problem]:
    problems: list[Problem] = []
    for name, field in model.model_fields.items():
        value, key = data.get(name), f"{prefix}{name}"
        if isinstance(field.default, BaseModel) and isinstance(value, list):
            hint = shape_hint(key, value, Experiment)
            problems.append(Problem(key, f"{shown(value)} is not a mapping of keys", hint))
        elif isinstance(field.default, BaseModel) and isinstance(value, Mapping):
            problems += _lists_for_mappings(value, type(field.default), f"{key}.")
    return problems
