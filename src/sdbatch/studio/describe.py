"""The form as data: fields with type, range and description from the configuration's models. Pure, but for conf/."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sdbatch.config.experiment import Experiment, schema
from sdbatch.config.folders import conf_dir
from sdbatch.config.keys import SWEEPABLE
from sdbatch.config.model import ModelSettings
from sdbatch.config.registry import MODEL_KINDS
from sdbatch.config.yaml_reader import load
from sdbatch.motion import MODES
from sdbatch.motion.keys import CURVES
from sdbatch.motion.schedule import EASINGS
from sdbatch.spec.canvas import RATIOS

FILM = ("motion", "encoding")  # sections that only films have
TYPES = {"prompts": "prompts", "canvas": "canvas", "seeds": "seeds", "negative": "long_text"}  # by key
CAMERA = ("zoom", "x", "y", "roll")
ALWAYS_USED = ("mode", "seconds", "frames", "fps")  # motion keys that no mode lists
SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # id, title, keys: "section." means all others of it
    (
        "main",
        "",
        ("prompts", "negative", "canvas", "seeds", "sampling.steps", "sampling.guidance", "sampling.sampler"),
    ),
    ("sampling", "Sampling", ("sampling.",)),
    ("passes", "High resolution", ("hires.", "upscale.", "upscaler_folders")),
    ("variants", "Variants and styles", ("sweep", "skip", "styles.", "wildcards.")),
    (
        "pictures",
        "Image to image",
        ("init.image", "init.video", "init.strength", "init.resize", "mask.", "input_folders"),
    ),
    ("motion", "Motion", ("motion.",)),
    ("encoding", "Video file", ("encoding.",)),
    ("model", "Model", ("model.", "models")),
    ("loras", "LoRAs and embeddings", ("loras", "lora_weight", "lora_folders", "embedding_folders")),
    ("runtime", "Device and speed", ("runtime.",)),
    ("output", "Output", ("output.names", "output.metadata", "output.frames", "retry", "new_seeds")),
)
# The studio renders in one process; its server chose the folder; the model is chosen by name.
LEFT_OUT = ("model.kind", "runtime.gpus", "runtime.processes")


@dataclass(frozen=True, slots=True)
class FormField:
    """One field. ``type`` says how it is shown; ``modes``: the motion modes that use it, None: all."""

    key: str
    section: str
    title: str
    about: str
    type: str
    default: Any = None
    min: float | None = None
    max: float | None = None
    choices: list[str] | None = None
    nullable: bool = False
    sweep: bool = False
    film: bool = False
    modes: list[str] | None = None


@cache
def fields() -> dict[str, FormField]:
    """All fields by key, in the order of the form."""
    return {f.key: f for section, _, keys in SECTIONS for f in _of_section(section, keys)}


def _of_section(section: str, keys: tuple[str, ...]) -> Iterator[FormField]:
    for key in keys:
        names = [key]
        if key.endswith("."):
            earlier = {k for _, _, others in SECTIONS for k in others}
            names = [key + name for name in _properties(key[:-1]) if key + name not in (*earlier, *LEFT_OUT)]
        yield from (_field(section, name) for name in names)


@cache
def _schema() -> dict[str, Any]:
    return schema()


def _properties(section: str) -> dict[str, Any]:
    """The properties of a section, or of the experiment itself."""
    found = _schema()
    if section:
        name = found["properties"][section]["$ref"].rpartition("/")[2]
        found = found["$defs"][name]
    properties: dict[str, Any] = found["properties"]
    return properties


def _field(section: str, key: str) -> FormField:
    owner, _, name = key.rpartition(".")
    prop = _properties(owner)[name]
    parts = [p for p in prop.get("anyOf", [prop]) if p.get("type") != "null"]
    low = next((p[k] for p in parts for k in ("minimum", "exclusiveMinimum") if k in p), None)
    high = next((p["maximum"] for p in parts if "maximum" in p), None)
    kind, choices = _kind(key, prop, parts)
    return FormField(
        key,
        section,
        name.replace("_", " ").capitalize(),
        prop.get("description", ""),
        kind,
        _default(key, prop),
        low,
        high,
        choices,
        nullable=len(parts) < len(prop.get("anyOf", [prop])),
        sweep=key in SWEEPABLE,
        film=owner in FILM,
        modes=_modes(name) if owner == "motion" else None,
    )


def _kind(key: str, prop: dict[str, Any], parts: list[dict[str, Any]]) -> tuple[str, list[str] | None]:
    """The type of a field, and its choices."""
    first, name = parts[0], key.rpartition(".")[2]
    types = [p.get("type") for p in parts]
    if key in TYPES:
        return TYPES[key], None
    if key.startswith("motion.") and name in CURVES:
        return "schedule", None
    if "enum" in prop:
        return "choice", [str(v) for v in prop["enum"]]
    if types == ["boolean", "string"] and "const" in parts[1]:
        return "choice", ["false", "true", parts[1]["const"]]
    if types == ["string", "array"]:
        return "list", None
    if types == ["number", "string"]:
        return "number", None
    if len(parts) == 1 and first.get("type") in ("integer", "number", "boolean"):
        return first["type"], None
    return ("text" if types == ["string"] else "json"), None


def _default(key: str, prop: dict[str, Any]) -> Any:
    """The default, in the form in which it is written."""
    value: Any = prop.get("default")
    if key.startswith("motion.") and isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0]["value"]  # a schedule of one value
    if key == "motion.fps":
        return int(value)
    return value[0] if key == "seeds" else str(value).lower() if key == "motion.loop" else value


def _modes(name: str) -> list[str] | None:
    if name in ALWAYS_USED:
        return None
    return [mode for mode, found in MODES.items() if name in found.uses]


def form(start: dict[str, Any], version: str, upload: int) -> dict[str, Any]:
    """Everything that the page needs to draw the form, which begins with ``start``."""
    return {
        "version": version,
        "start": start,
        "fields": [asdict(f) for f in fields().values()],
        "sections": [{"id": name, "title": title, "about": _about(name)} for name, title, _ in SECTIONS],
        "ratios": [{"name": name, "width": w, "height": h} for name, (w, h) in RATIOS.items()],
        "models": models(),
        "presets": {"motion": _presets("motion_preset"), "sampling": _presets("sampling_preset")},
        "prompt_sets": [about | {"prompts": data.get("prompts", [])} for about, data in _group("prompt_set")],
        "easings": list(EASINGS),
        "curves": list(CAMERA),
        "limits": {"upload": upload, "jobs": Experiment().plan.limit},
    }


def _about(section: str) -> str:
    """What the configuration says of a section of that name."""
    found = Experiment.model_fields.get(section)
    return (found and found.description) or ""


@cache
def models() -> list[dict[str, Any]]:
    """The files of conf/model, the embedded model first."""
    found = []
    for about, data in _group("model"):
        kind = data.get("kind", about["name"])
        keys = [] if kind == "hub" else [f"model.{k}" for k in sorted(MODEL_KINDS[kind].keys)]
        found.append({**about, "kind": kind, "keys": keys})
    return sorted(found, key=lambda m: list(MODEL_KINDS).index(m["kind"]))


@cache
def _model_data() -> dict[str, dict[str, Any]]:
    usual = ModelSettings().model_dump(mode="json")
    return {about["name"]: usual | data for about, data in _group("model")}


def model_named(wanted: Mapping[str, Any]) -> str:
    """The file of conf/model that says ``wanted``, else one of its kind."""
    names = [str(m["name"]) for m in models()]
    exact = [n for n in names if _model_data()[n] == wanted]
    return (exact + [n for n in names if _model_data()[n]["kind"] == wanted.get("kind")] + names)[0]


def model_value(model: str, key: str) -> Any:
    """What a file of conf/model says for a key; None if it says nothing."""
    section, _, name = key.partition(".")
    return _model_data()[model].get(name) if section == "model" else None


def _presets(group: str) -> list[dict[str, Any]]:
    return [{**about, "fields": dotted(data)} for about, data in _group(group)]


def dotted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Nested keys as dotted ones, down to those that are fields."""
    out: dict[str, Any] = {}
    for key, value in data.items():
        inner = isinstance(value, Mapping) and key not in fields()
        out |= {f"{key}.{k}": v for k, v in value.items()} if inner else {key: value}
    return out


def _group(group: str) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """The files of a group of conf/: (name and what its comment says, data)."""
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        text = path.read_text("utf-8")
        yield {"name": path.stem, "about": comment(text)}, load(text) or {}


def about(path: Path) -> str:
    """The first comment of a YAML file; empty if it cannot be read."""
    try:
        return comment(path.read_text("utf-8"))
    except (OSError, ValueError):
        return ""


def comment(text: str) -> str:
    """The first comment of a YAML file that is written for people, without its command line."""
    lines = (line[1:].strip() for line in text.splitlines() if line.startswith("#"))
    found = next((x for x in lines if not x.startswith(("@package", "yaml-language-server", "python -m"))), "")
    return re.split(r"\s{2,}(?=python -m |model=)", found)[0].strip()
