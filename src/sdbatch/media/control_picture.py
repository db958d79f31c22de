"""The picture that a ControlNet sees: a user's picture at the size of the result, preprocessed. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdbatch.imaging.preprocess import PREPROCESSORS
from sdbatch.pictures.fit import fitted, opaque


def control_picture(pixels: NDArray[np.uint8], preprocess: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """``pixels`` (height, width, 3 or 4) at ``size`` (width, height), after the preprocessor with this name."""
    return PREPROCESSORS[preprocess](opaque(fitted(pixels, size, "fill")))
