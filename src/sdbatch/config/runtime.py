"""The ``runtime:`` keys: how pictures are rendered on this machine. Never in ids, always in the profile."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Runtime(BaseModel):
    """How to render: device, precision and rows. Changes no job's id."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="auto: CUDA, then MPS, then CPU")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: float16 on CUDA and MPS, float32 on the CPU"
    )
    attention: Literal["auto", "sdpa", "xformers"] = Field(
        "auto", description="attention kernels; auto is sdpa; xformers goes on with sdpa where it does not load"
    )
    rows: int | None = Field(
        None,
        ge=1,
        le=512,
        description="denoiser rows per call at the native area; null: by device (CPU 4 or 16; CUDA 16 or 32)",
    )
    chain_rows: int | None = Field(
        None,
        ge=0,
        le=512,
        description="rows per call for shots that start from a picture; 0: as the rest; null: by device (CUDA 2)",
    )
    vae_batch: int | None = Field(None, ge=1, le=64, description="pictures per VAE call; null: by device")
    threads: int | None = Field(None, ge=1, le=256, description="CPU threads inside one call; null: 1 on the CPU")
    workers: int | None = Field(None, ge=1, le=256, description="calls at a time on the CPU; null: one per core")
    compile: bool = Field(False, description="torch.compile the blocks of denoiser and VAE (CUDA)")
    exact: bool = Field(True, description="false trades exact bits for speed, and every record says so")
    writers: int = Field(2, ge=1, le=64, description="threads that write pictures and videos")
