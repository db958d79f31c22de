"""The ``runtime:`` keys: how pictures are rendered on this machine. Never in ids, always in the profile."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from sdbatch.errors import nearest, shown
from sdbatch.spec.limits import ROWS, VAE_BATCH

DEVICES = ("auto", "cuda", "cuda:N", "mps", "cpu")
_DEVICE = r"^(auto|cuda(:[0-9]{1,2})?|mps|cpu)$"
_MOST = 64  # processes


def _device(value: str) -> str:
    if not re.fullmatch(_DEVICE, value):
        hint = nearest(value, DEVICES)
        allowed = f"{shown(value)} is not allowed; allowed: {', '.join(DEVICES)}"
        raise ValueError(f"{allowed} ({hint})" if hint else allowed)
    return value


def _gpus(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None or value == "all" or (whole and 1 <= value <= _MOST):
        return value
    raise ValueError(f"{shown(value)} is not allowed; write all, or how many: 1–{_MOST}")


def _processes(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None or value == "auto" or (whole and 1 <= value <= _MOST):
        return value
    if whole:
        raise ValueError(f"{value} is out of range 1–{_MOST} (nearest is {min(max(value, 1), _MOST)})")
    raise ValueError(f"{shown(value)} is not allowed; write auto, or how many: 1–{_MOST}")


class Runtime(BaseModel):
    """How to render: device, precision and rows. Changes no job's id."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    device: Annotated[str, AfterValidator(_device)] = Field(
        "auto",
        description="auto: CUDA, then MPS, then CPU; cuda:1: the second card",
        json_schema_extra={"pattern": _DEVICE},
    )
    gpus: Annotated[
        int | Literal["all"] | None,
        BeforeValidator(_gpus, json_schema_input_type=Annotated[int, Field(ge=1, le=_MOST)] | Literal["all"] | None),
    ] = Field(None, description="all, or a number: a process for each CUDA card, all on one plan")
    processes: Annotated[
        int | Literal["auto"] | None,
        BeforeValidator(
            _processes, json_schema_input_type=Annotated[int, Field(ge=1, le=_MOST)] | Literal["auto"] | None
        ),
    ] = Field(
        None,
        description="so many processes on one device, all on one plan; auto: one for each card, or for eight cores",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: float16 on CUDA and MPS, float32 on the CPU"
    )
    attention: Literal["auto", "sdpa", "xformers"] = Field(
        "auto", description="attention kernels; auto is sdpa; xformers falls back to sdpa if it does not load"
    )
    rows: int | None = Field(
        None,
        ge=ROWS.low,
        le=ROWS.high,
        description="denoiser rows per call at the native area; null: by device (CPU 4 or 16; CUDA 16 or 32)",
    )
    chain_rows: int | None = Field(
        None,
        ge=0,
        le=ROWS.high,
        description="rows per call for shots that start from a picture; 0: as the rest; null: by device (CUDA 2)",
    )
    vae_batch: int | None = Field(
        None, ge=VAE_BATCH.low, le=VAE_BATCH.high, description="pictures per VAE call; null: by device"
    )
    threads: int | None = Field(None, ge=1, le=256, description="CPU threads inside one call; null: 1 on the CPU")
    workers: int | None = Field(None, ge=1, le=256, description="calls at a time on the CPU; null: one per core")
    weights: float | None = Field(
        None, gt=0, le=4096, description="GiB of memory for the weights of several models; null: half of it"
    )
    compile: bool = Field(False, description="torch.compile the blocks of denoiser and VAE (CUDA)")
    exact: bool = Field(True, description="false trades exact bits for speed; records then have a warning")
    portable: bool = Field(
        False, description="CPU: kernels that all x86-64 processors with AVX2 have, for the same bits on each; slower"
    )
    writers: int = Field(2, ge=1, le=64, description="threads that write pictures and videos")

    @model_validator(mode="after")
    def _one_way(self) -> Runtime:
        if self.gpus is not None and self.processes is not None:
            raise _wrong("processes", "cannot be combined with runtime.gpus, which starts one process per card")
        if self.gpus is not None and self.device not in ("auto", "cuda"):
            raise _wrong("gpus", f"takes the cards of this machine, not runtime.device={self.device}")
        return self


def _wrong(key: str, message: str) -> PydanticCustomError:
    return PydanticCustomError("at_key", "{message}", {"key": key, "message": message})
