"""The ``model:`` keys: which weights."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from sdbatch.config.fields import Section, one_of
from sdbatch.config.registry import MODEL_KINDS
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
        "tiny", description="where the weights come from", json_schema_extra=_kinds
    )
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
