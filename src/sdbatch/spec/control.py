"""ControlNets of a shot, as values: which net, which picture, how strongly and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le

from sdbatch.spec.limits import CONTROL_WEIGHT
from sdbatch.spec.pictures import InputPicture

# Names in ``imaging.preprocess.PREPROCESSORS``.
Preprocessor = Literal["none", "canny", "scribble", "lineart", "tile", "threshold", "color", "invert"]


@dataclass(frozen=True, slots=True)
class Control:
    """A ControlNet that shows the denoiser a picture.

    ``net`` is the digest of its file; without a ``picture`` it sees the one that the shot starts from. ``start`` and
    ``end``: the share of the evaluations in which it works. With ``guess`` only the rows of the prompt are controlled,
    the first levels weakly. ``name`` (of the file) and ``hash`` (A1111's) are for people and other programs, and not
    part of ids.
    """

    net: str
    picture: InputPicture | None
    preprocess: Preprocessor = "none"
    weight: Annotated[float, Ge(CONTROL_WEIGHT.low), Le(CONTROL_WEIGHT.high)] = 1.0
    start: Annotated[float, Ge(0), Le(1)] = 0.0
    end: Annotated[float, Ge(0), Le(1)] = 1.0
    guess: bool = False
    name: str = field(default="", compare=False)
    hash: str = field(default="", compare=False)
