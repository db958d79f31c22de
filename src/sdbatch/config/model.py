"""The ``model:`` keys: which weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from sdbatch.config.fields import Section, one_of
from sdbatch.config.registry import DEFAULT_MODEL, MODEL_KINDS
from sdbatch.errors import shown
from sdbatch.motion.key_errors import key_error
from sdbatch.spec.limits import CLIP_SKIP


class Faults(Section):
    """Faults of the fake renderer, for tests."""

    fail: tuple[str, ...] = Field((), description="shots whose id or prompt contains one of these words fail")
    nan: tuple[str, ...] = Field((), description="… give a picture that is not finite")
    memory: tuple[str, ...] = Field((), description="… run out of memory")
    crash: tuple[str, ...] = Field((), description="… crash the renderer, which loses the other shots in flight")
    warn: tuple[str, ...] = Field((), description="… have a warning")


class Fake(Faults):
    """The fake renderer (model=fake)."""

    delay: float = Field(0.0, ge=0, le=60, description="seconds per shot")


def _kinds(schema: dict[str, Any]) -> None:
    schema["enum"] = list(MODEL_KINDS)


class ModelSettings(Section):
    """Which weights."""

    kind: Annotated[str, one_of(MODEL_KINDS, "model kind")] = Field(
        DEFAULT_MODEL, description="where the weights come from", json_schema_extra=_kinds
    )

    @property
    def title(self) -> str:
        """The model in a word or two: the name of its file, folder or repository, else its kind."""
        return PurePath(self.path).stem if self.path else (self.repo or self.kind).rpartition("/")[2]

    path: str | None = Field(
        None, max_length=4096, description="local: a diffusers folder or a single .safetensors file"
    )
    repo: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?$", description="hub: the repository"
    )
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="hub: the commit (40 hex digits)")
    vae: str | None = Field(
        None, min_length=1, max_length=4096, description="another VAE: a diffusers folder or a .safetensors file"
    )
    clip_skip: int = Field(
        1, ge=CLIP_SKIP.low, le=CLIP_SKIP.high, description="text encoder layer counted from the end; 1 is the last"
    )
    native: int | None = Field(None, ge=64, le=4096, description="side of the native square; null: from the model")
    safety_checker: bool = Field(False, description="blank pictures that Stable Diffusion 1.5's safety checker flags")
    fake: Fake = Field(Fake(), description="model=fake only")

    @model_validator(mode="after")
    def _used(self) -> ModelSettings:
        """Reject keys of other model kinds, which would be ignored."""
        for name, kind in MODEL_KINDS.items():
            for key in sorted(kind.keys - MODEL_KINDS[self.kind].keys):
                if (value := getattr(self, key)) is not None:
                    text = f"{shown(value)} would be ignored: model.kind is {self.kind}, not {name}"
                    raise key_error(key, f"{text} (add model={kind.group or name})")
        return self


def _shared(name: str, about: str) -> Any:
    """A key of ``model:`` in an entry of ``models``, where null means the value of ``model:``."""
    field = ModelSettings.model_fields[name]
    return Field(None, description=about, json_schema_extra={"default": None}, **_constraints(field.metadata))


def _constraints(metadata: list[Any]) -> Mapping[str, Any]:
    names = ("ge", "le", "min_length", "max_length", "pattern")
    return {n: v for m in metadata for n in names if (v := getattr(m, n, None)) is not None}


class ModelEntry(Section):
    """One of several models: what differs from ``model:``."""

    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_. +-]{0,63}$", description="short name, used in labels"
    )
    model: str | None = Field(None, min_length=1, max_length=4096, description="a file of conf/model/, or a path")
    path: str | None = _shared("path", "a diffusers folder or a single .safetensors file")
    repo: str | None = _shared("repo", "a repository of the hub")
    revision: str | None = _shared("revision", "its commit (40 hex digits)")
    vae: str | None = _shared("vae", "another VAE")
    clip_skip: int | None = _shared("clip_skip", "text encoder layer counted from the end")
    native: int | None = _shared("native", "side of the native square")
    safety_checker: bool | None = _shared("safety_checker", "blank pictures that the safety checker flags")

    @model_validator(mode="after")
    def _one_place(self) -> ModelEntry:
        given = [key for key in ("model", "path", "repo") if getattr(self, key) is not None]
        if len(given) > 1:
            raise key_error(given[1], f"cannot be combined with {given[0]}: give one of them")
        return self


def _entry(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError(f"{shown(value)} is not a model; write a name, a path or {{path, vae, clip_skip}}")
    return {"model": value} if isinstance(value, str) else value


Models = tuple[Annotated[ModelEntry, BeforeValidator(_entry, json_schema_input_type=str | ModelEntry)], ...]
