"""A perceptual distance, as a measure only: ST-LPIPS (https://arxiv.org/abs/2207.13686), AlexNet trunk.

The weights lie in PyPI's `stlpips_pytorch` (BSD-2), which is no dependency: `pip install --no-deps stlpips_pytorch`.
Its code is not imported (it wants torchvision and IPython); the file is opened with `weights_only`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from training.autoencoder import to_signed

FILE = Path("weights") / "vST0.0" / "alex_shift_tolerant.pth"


def find() -> Path | None:
    """Where the weights are, or None if the package is not installed."""
    spec = importlib.util.find_spec("stlpips_pytorch")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return next((Path(place) / FILE for place in places if (Path(place) / FILE).exists()), None)


def _blur(x: torch.Tensor, stride: int = 2) -> torch.Tensor:
    """Every second pixel of the picture smoothed by 1 2 1 (https://arxiv.org/abs/1904.11486)."""
    row = torch.tensor([1.0, 2.0, 1.0])
    kernel = (row[:, None] * row / 16).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=stride, groups=x.shape[1])


class Distance:
    """The distance of two pictures: 0 for equal ones, about 0.1 for ones that differ visibly, up to about 1."""

    def __init__(self, path: Path) -> None:
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        self.shift, self.scale = state["scaling_layer.shift"], state["scaling_layer.scale"]
        names = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
        self.layers = [(state[f"net.{name}.weight"], state[f"net.{name}.bias"]) for name in names]
        self.weights = [state[f"lin{i}.model.1.weight"] for i in range(5)]

    def features(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        """The outputs of the five layers for pictures of -1 to 1."""
        h = (x - self.shift) / self.scale
        for i, (weight, bias) in enumerate(self.layers):
            if i in (1, 2):
                h = _blur(F.max_pool2d(h, 3, 1))
            h = F.conv2d(h, weight, bias, padding=1 if i > 1 else 2)
            h = F.relu(_blur(h) if i == 0 else h)
            yield h

    @torch.no_grad()
    def __call__(self, a: np.ndarray, b: np.ndarray) -> float:
        """The distance of pictures (height, width, 3) of 0 to 255."""
        pairs = zip(self.features(to_signed(a[None])), self.features(to_signed(b[None])), self.weights, strict=True)
        total = 0.0
        for one, two, weight in pairs:
            difference = (F.normalize(one) - F.normalize(two)).square()
            total += float(F.conv2d(difference, weight).mean())
        return total
