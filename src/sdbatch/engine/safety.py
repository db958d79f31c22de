"""Stable Diffusion 1.5's safety checker: blanks a picture and adds a warning. Optional; off by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from sdbatch.engine.build import quiet_imports
from sdbatch.errors import ConfigError
from sdbatch.spec.renderer import Pixels

SIDE = 224  # CLIP's input size, in pixels: the shorter side is resized to it, then the centre is cropped
MEAN, SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BLANKED = "blanked by the safety checker"


class Safety:
    """Checks one picture at a time, so the result does not depend on other pictures."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        with quiet_imports():
            from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
        try:
            checker = StableDiffusionSafetyChecker.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        except (OSError, ValueError) as e:
            hint = "set model.safety_checker=false"
            raise ConfigError.one("model.safety_checker", f"{folder} cannot be loaded: {e}", hint) from e
        self._checker: Any = checker.to(device=device, dtype=dtype).eval()
        self._device, self._dtype = device, dtype

    def __call__(self, pixels: Pixels) -> tuple[Pixels, tuple[str, ...]]:
        """(picture, warnings) for ``pixels`` (height, width, 3): unchanged, or black with a warning."""
        seen = torch.from_numpy(_clip_input(pixels)).to(self._device, self._dtype)
        with torch.inference_mode():
            _, found = self._checker(images=[pixels.copy()], clip_input=seen)
        return (np.zeros_like(pixels), (BLANKED,)) if found[0] else (pixels, ())


def _clip_input(pixels: Pixels) -> NDArray[np.float32]:
    """CLIP's input (1, 3, 224, 224), preprocessed as by its image processor."""
    h, w = pixels.shape[:2]
    size = (SIDE, round(SIDE * h / w)) if w <= h else (round(SIDE * w / h), SIDE)
    left, top = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    resized = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    square = np.asarray(resized.crop((left, top, left + SIDE, top + SIDE)), np.float32) / 255
    scaled = (square - np.array(MEAN, np.float32)) / np.array(SPREAD, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], np.float32)
