"""Parses jobs from the metadata of files and from kept plans: the inverse of ``Shot.spec`` and ``motion.job_spec``.

The input is untrusted: every value is validated, and a job whose id does not match its settings is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from sdbatch import motion
from sdbatch.config.experiment import EncodingSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, shown
from sdbatch.motion.keys import FRAMES
from sdbatch.motion.settings import Motion
from sdbatch.samplers import SAMPLERS, table
from sdbatch.spec.canvas import SIDE
from sdbatch.spec.inputs import pictures, with_pictures
from sdbatch.spec.jobs import Job, Shot, sampler_spec
from sdbatch.spec.limits import LORA_WEIGHT, VECTORS
from sdbatch.spec.passes import LANCZOS, LATENT, Pass, Upscaler
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.ranges import SEED_RANGE, slug
from sdbatch.spec.renderer import Profile

M = TypeVar("M", bound=BaseModel)
MAX_TEXT = 200_000
MAX_PASSES = 8


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _sampler(value: dict[str, Any]) -> dict[str, Any]:
    if not any(value == sampler_spec(name) for name in SAMPLERS):
        raise ValueError(f"{shown(value)} is not a sampler of this version")
    return value


def _sides(value: tuple[int, int]) -> tuple[int, int]:
    if not all(side in SIDE for side in value):
        raise ValueError(f"{shown(list(value))} is out of range: sides are {SIDE.start}–{SIDE.stop - 1} pixels")
    return value


_Text = Annotated[str, Field(max_length=MAX_TEXT)]
_Seed = Annotated[int, Field(ge=SEED_RANGE[0], le=SEED_RANGE[1])]
_Size = Annotated[tuple[int, int], AfterValidator(_sides)]
_SamplerSpec = Annotated[dict[str, Any], AfterValidator(_sampler)]


def _fields(kind: type) -> dict[str, Any]:
    """The fields of a dataclass with their types, ranges and defaults, for ``create_model``."""
    hints = get_type_hints(kind, include_extras=True)
    return {f.name: (hints[f.name], ... if f.default is MISSING else f.default) for f in fields(kind)}


_SHOT = {k: v for k, v in _fields(Shot).items() if k not in ("width", "height")} | {
    "v": (Literal[1], ...),  # SPEC_VERSION
    "prompt": (_Text, ...),
    "negative": (_Text, ...),
    "seed": (_Seed, ...),
    "size": (_Size, ...),
    "sampler": (_SamplerSpec, ...),
}
ShotSpec = create_model("ShotSpec", __base__=_Strict, **_SHOT)  # the data of ``Shot.spec``

_PROFILE: dict[str, Any] = {name: (kind, ...) for name, (kind, _) in _fields(Profile).items()}
_PROFILE["versions"] = (dict[str, str], ...)
_ProfileSpec = create_model("_ProfileSpec", __base__=_Strict, **_PROFILE)  # the data of ``Profile.asdict``: every field


def shot(data: Any, key: str = "shot") -> Shot:
    """The shot whose ``spec()`` is ``data``. Raises ConfigError, with keys below ``key``, for invalid data."""
    found = _checked(ShotSpec, data, key)
    values = {k: getattr(found, k) for k in ShotSpec.model_fields if k != "v"}
    width, height = values.pop("size")
    name = next(name for name in SAMPLERS if values["sampler"] == sampler_spec(name))
    made = Shot(**values | {"width": width, "height": height, "sampler": name})
    try:
        table(SAMPLERS[name], made.model.schedule, made.steps)
    except (ValueError, ArithmeticError) as e:
        raise ConfigError.one(f"{key}.sampler", str(e)) from e
    return made


def job(data: Any, key: str = "job", name: str = "") -> Job:
    """The job with the ``id`` and the ``motion.job_spec`` in ``data``; ``name`` becomes its slug.

    Raises ConfigError for invalid data, and for an id that does not match the settings.
    """
    if not isinstance(data, dict):
        raise ConfigError.one(key, "is not a mapping")
    base = _with_names(shot(data.get("shot"), f"{key}.shot"), data.get("adapters", {}), f"{key}.adapters")
    base = _with_files(base, data.get("pictures", {}), f"{key}.pictures")
    settings, encoding = Motion(), EncodingSettings()
    if "motion" in data:
        settings = _checked(Motion, data["motion"], f"{key}.motion")
        encoding = _checked(EncodingSettings, data.get("encoding", {}), f"{key}.encoding")
    passes = _passes(data, key)
    made = motion.make(base, settings, encoding.encoding(), slug(name), passes=passes)
    if made.id != data.get("id") and settings.loop and settings.length > FRAMES[0]:
        # Earlier versions counted the frame that a loop leaves out: the same video, with a length of one frame more.
        earlier = settings.model_copy(update={"seconds": None, "frames": settings.length - 1})
        made = motion.make(base, earlier, encoding.encoding(), slug(name), passes=passes)
    if made.id != data.get("id"):
        text = f"{shown(data.get('id'))} does not match the settings, which give {made.id}"
        raise ConfigError.one(f"{key}.id", text, "was the file changed?")
    return made


def _passes(data: dict[str, Any], key: str) -> tuple[Pass, ...]:
    """The passes after the first, with the names of their upscalers."""
    parsed: Any = _checked(_Passes, {"passes": data.get("passes", [])}, key)
    found = parsed.passes
    named = data.get("adapters", {})
    methods = {p.upscaler.method for p in found if isinstance(named, dict) and p.upscaler.method in named}
    names = {method: _checked(_Adapter, named[method], f"{key}.adapters.{method[:35]}").name for method in methods}
    base = data["shot"]["size"]
    passes = tuple(
        Pass(p.scale, p.strength, p.steps, Upscaler(p.upscaler.method, names.get(p.upscaler.method, ""))) for p in found
    )
    for each in passes:
        base = _sides_of(base, each, f"{key}.passes")
    return passes


def _sides_of(size: Any, each: Pass, key: str) -> tuple[int, int]:
    """The size after a pass. Raises ConfigError if it is out of range."""
    made = each.enlarged(size[0]), each.enlarged(size[1])
    try:
        return _sides(made)
    except ValueError as e:
        raise ConfigError.one(key, str(e)) from e


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"{shown(value)} is not a name")
    return value


def _short_hash(value: str) -> str:
    if value and not re.fullmatch("[0-9a-f]{8}|[0-9a-f]{12}", value):
        raise ValueError(f"{shown(value)} is not 8 or 12 hex digits")
    return value


def _method(value: str) -> str:
    if value not in (LANCZOS, LATENT) and not re.fullmatch(r"b2:[0-9a-f]{32}", value):
        raise ValueError(f"{shown(value)} is not an upscaler")
    return value


class _Upscaler(_Strict):
    """The data of an ``Upscaler``."""

    method: Annotated[str, AfterValidator(_method)] = LANCZOS


_PASS: dict[str, Any] = _fields(Pass) | {"upscaler": (_Upscaler, _Upscaler())}
_PassSpec: Any = create_model("_PassSpec", __base__=_Strict, **_PASS)  # the data of a ``Pass``


_Passes: Any = create_model(
    "_Passes", __base__=_Strict, passes=(Annotated[tuple[_PassSpec, ...], Field(max_length=MAX_PASSES)], ...)
)


class _Adapter(_Strict):
    """What people and other programs call a LoRA, a textual inversion, a ControlNet, an upscaler or a model.

    Not part of ids.
    """

    name: Annotated[str, Field(max_length=256), AfterValidator(_one_line)]
    hash: Annotated[str, AfterValidator(_short_hash)]


def _with_names(found: Shot, data: Any, key: str) -> Shot:
    """``found`` with the names and hashes of its model, LoRAs, textual inversions and ControlNets, which its
    spec leaves out."""
    weights = [weight for lora in found.model.loras for weight in (lora.unet, lora.in_text)]
    if wrong := [w for w in weights if w not in LORA_WEIGHT] + [
        e.vectors for e in found.embeddings if e.vectors not in VECTORS
    ]:
        raise ConfigError.one(key, f"{wrong[0]} is out of range", f"weights are {LORA_WEIGHT}, vectors {VECTORS}")
    if not isinstance(data, dict):
        raise ConfigError.one(key, "is not a mapping")
    wanted = {lora.file for lora in found.model.loras} | {e.file for e in found.embeddings} | {found.model.weights}
    wanted |= {control.net for control in found.controls}
    known = {file: _checked(_Adapter, data[file], f"{key}.{file[:32]}") for file in wanted & data.keys()}
    loras = tuple(
        replace(one, name=known[one.file].name, hash=known[one.file].hash) if one.file in known else one
        for one in found.model.loras
    )
    embeddings = tuple(
        replace(one, hash=known[one.file].hash) if one.file in known else one for one in found.embeddings
    )
    model = replace(found.model, loras=loras)
    if of_model := known.get(model.weights):
        model = replace(model, name=of_model.name, hash=of_model.hash)
    controls = tuple(
        replace(one, name=known[one.net].name, hash=known[one.net].hash) if one.net in known else one
        for one in found.controls
    )
    return replace(found, model=model, embeddings=embeddings, controls=controls)


def _with_files(found: Shot, data: Any, key: str) -> Shot:
    """``found`` with the names of its users' pictures. Their paths are not part of its spec, and not trusted."""
    if not (used := pictures(found)):
        return found
    if not isinstance(data, dict):
        raise ConfigError.one(key, "is not a mapping")
    if wrong := [p.digest for p in used if not re.fullmatch("b2:[0-9a-f]{32}", p.digest)]:
        raise ConfigError.one(key, f"{shown(wrong[0])} is not a digest")
    names = {p.digest: PurePath(str(data.get(p.digest, ""))[:511].replace("\0", "")) for p in used}
    return with_pictures(found, lambda p: _with_paths(p, names))


def _with_paths(found: InputPicture, names: Mapping[str, PurePath]) -> InputPicture:
    path = names.get(found.digest, PurePath())
    if found.clip is None or not found.clip.pictures:
        return replace(found, path=path.name, width=0, height=0)
    clip = replace(found.clip, paths=tuple(names[digest].name for digest in found.clip.pictures))
    return replace(found, path=path.parent.name, width=0, height=0, clip=clip)


def profile(data: Any, key: str = "profile") -> Profile:
    """The profile whose ``asdict()`` is ``data``. Raises ConfigError for invalid data."""
    found = _checked(_ProfileSpec, data, key).model_dump()
    versions = tuple((str(k), str(v)) for k, v in found.pop("versions").items())
    return Profile(**found, versions=versions)


def _checked(model: type[M], data: Any, key: str) -> M:
    if not isinstance(data, dict):
        raise ConfigError.one(key, "is missing" if data is None else "is not a mapping")
    try:
        return check(model, data, key)
    except RecursionError:
        raise ConfigError.one(key, "is nested too deeply") from None
