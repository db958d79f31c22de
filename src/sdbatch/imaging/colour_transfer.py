"""Colour transfer between pictures, which keeps the colours of a chain from drifting. No torch.

Reinhard et al., "Color Transfer between Images" (IEEE CG&A 2001), in Oklab (https://bottosson.github.io/posts/oklab).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

GAIN = (0.5, 2.0)  # limits of the contrast scaling
_CONES = np.array(  # linear sRGB to Oklab's cone responses
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(  # cube roots of the cone responses to Oklab
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def match_colours(pixels: Pixels, reference: Pixels) -> Pixels:
    """``pixels`` with the mean and the standard deviation of ``reference``, per channel of Oklab.

    Both are (height, width, 3), uint8 sRGB; sizes may differ. The standard deviation is scaled by 0.5 to 2 at most.
    """
    lab, target = _oklab(pixels), _oklab(reference)
    gain = target.std((0, 1)) / np.maximum(lab.std((0, 1)), 1e-6)
    matched = (lab - lab.mean((0, 1))) * np.clip(gain, *GAIN) + target.mean((0, 1))
    cones = _mix(matched, np.linalg.inv(_LAB)) ** 3
    linear = np.clip(_mix(cones, np.linalg.inv(_CONES)), 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(srgb * 255), np.uint8)


def _oklab(pixels: Pixels) -> NDArray[np.float64]:
    srgb = pixels / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return _mix(np.cbrt(_mix(linear, _CONES)), _LAB)


def _mix(values: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values`` (…, 3) times a 3x3 matrix. Avoids BLAS, whose bits can depend on the number of threads."""
    return np.stack([sum(values[..., j] * row[j] for j in range(3)) for row in matrix], axis=-1)
