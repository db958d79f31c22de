"""Parses jobs from the metadata of files and from kept plans: the inverse of ``Shot.spec`` and ``motion.job_spec``.

The input is untrusted: every value is validated, and a job whose id does not match its settings is rejected.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from sdbatch import motion
from sdbatch.config.experiment import EncodingSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, shown
from sdbatch.motion.settings import Motion
from sdbatch.samplers import SAMPLERS, table
from sdbatch.spec.canvas import SIDE
from sdbatch.spec.jobs import ALWAYS, Job, Model, PromptBlend, Shot, Start, sampler_spec
from sdbatch.spec.limits import GUIDANCE, STEPS
from sdbatch.spec.ranges import SEED_RANGE, slug
from sdbatch.spec.renderer import Profile

M = TypeVar("M", bound=BaseModel)
MAX_TEXT = 200_000


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


class ShotSpec(_Strict):
    """The data of ``Shot.spec``, with ranges."""

    v: Literal[1]  # SPEC_VERSION
    model: Model
    prompt: str = Field(max_length=MAX_TEXT)
    negative: str = Field(max_length=MAX_TEXT)
    seed: int = Field(ge=SEED_RANGE[0], le=SEED_RANGE[1])
    size: Annotated[tuple[int, int], AfterValidator(_sides)]
    sampler: Annotated[dict[str, Any], AfterValidator(_sampler)]
    steps: int = Field(ge=STEPS.low, le=STEPS.high)
    guidance: float = Field(ge=GUIDANCE.low, le=GUIDANCE.high)
    guidance_interval: tuple[float, float] = ALWAYS
    toward: PromptBlend | None = None
    start: Start | None = None


_HINTS = get_type_hints(Profile, include_extras=True)
_PROFILE: dict[str, Any] = {f.name: (_HINTS[f.name], ...) for f in fields(Profile)}
# What ``Profile.asdict`` says: every field, none more.
_ProfileSpec = create_model("_ProfileSpec", __base__=_Strict, **_PROFILE | {"versions": (dict[str, str], ...)})


def shot(data: Any, key: str = "shot") -> Shot:
    """The shot whose ``spec()`` is ``data``. Raises ConfigError, with keys below ``key``, for invalid data."""
    found = _checked(ShotSpec, data, key)
    name = next(name for name in SAMPLERS if found.sampler == sampler_spec(name))
    values = {k: getattr(found, k) for k in ShotSpec.model_fields if k not in ("v", "size", "sampler")}
    made = Shot(width=found.size[0], height=found.size[1], sampler=name, **values)
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
    base = shot(data.get("shot"), f"{key}.shot")
    settings, encoding = Motion(), EncodingSettings()
    if "motion" in data:
        settings = _checked(Motion, data["motion"], f"{key}.motion")
        encoding = _checked(EncodingSettings, data.get("encoding", {}), f"{key}.encoding")
    made = motion.make(base, settings, encoding.encoding(), slug(name))
    if made.id != data.get("id"):
        text = f"{shown(data.get('id'))} does not match the settings, which give {made.id}"
        raise ConfigError.one(f"{key}.id", text, "was the file changed?")
    return made


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
