"""The sections of passes after the first: ``hires`` and ``upscale``."""

from __future__ import annotations

from pydantic import Field

from sdbatch.config.fields import FilePath, Section
from sdbatch.spec.limits import PASS_SCALE, STEPS
from sdbatch.spec.passes import LANCZOS

_NETWORK = "a .safetensors file, or a name in upscaler_folders; tiny-2x is built in"


class HiresSettings(Section):
    """A second pass at a larger size."""

    scale: float = Field(1.0, ge=PASS_SCALE.low, le=PASS_SCALE.high, description="how much larger; 1: no second pass")
    strength: float = Field(0.45, gt=0, le=1, description="of image to image: how much of the picture is repainted")
    steps: int | None = Field(
        None, ge=1, le=STEPS.high, description="steps that are computed; null: strength × sampling.steps"
    )
    upscaler: FilePath = Field(LANCZOS, description=f"lanczos, latent, {_NETWORK}")


class UpscaleSettings(Section):
    """The last step: the finished picture enlarged."""

    scale: float = Field(1.0, ge=PASS_SCALE.low, le=PASS_SCALE.high, description="how much larger; 1: not at all")
    model: FilePath = Field(LANCZOS, description=f"lanczos, {_NETWORK}")
