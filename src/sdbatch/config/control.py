"""The keys of ControlNets: which nets, which pictures, how strongly and when."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from sdbatch.config.fields import FilePath, Section, as_tuple, names
from sdbatch.config.weights import weights_in
from sdbatch.errors import shown
from sdbatch.spec.control import Preprocessor
from sdbatch.spec.limits import CONTROL_WEIGHT


def _several(value: Any) -> Any:
    if value == []:
        raise ValueError("is empty")
    return names(value)


Paths = Annotated[tuple[FilePath, ...], BeforeValidator(_several, json_schema_input_type=str | list[str])]


OF_START = "init"  # as the name of a picture: the one that a shot starts from


class ControlSettings(Section):
    """A ControlNet and its picture. Several nets, pictures or weights are an axis."""

    net: Paths = Field(description="a .safetensors file, a folder of diffusers, or a name in control_folders")
    image: Paths = Field(
        (),
        description="a picture, or a folder, a pattern or a list: an axis; init: the picture that a shot starts from",
    )
    video: FilePath | None = Field(
        None, description="instead of image: a video, or a folder of its frames; every shot gets one"
    )
    preprocess: Preprocessor = Field("none", description="what is made of the picture; none: it is a control picture")
    weight: Annotated[tuple[float, ...], weights_in(CONTROL_WEIGHT)] = Field(
        (1.0,), description="the strength: 0.8, a list, or a range 0..1..0.2"
    )
    start: float = Field(0.0, ge=0, le=1, description="from this share of the evaluations on")
    end: float = Field(1.0, ge=0, le=1, description="until this share of the evaluations")
    guess: bool = Field(False, description="guess mode: only the prompt's rows, the first levels weakly")

    @model_validator(mode="after")
    def _whole(self) -> ControlSettings:
        if not self.start < self.end:
            raise ValueError(f"start {self.start:g} is not before end {self.end:g}")
        if bool(self.image) == (self.video is not None):
            raise ValueError("needs image or video" if not self.image else "image and video are both set; give one")
        return self


def _control(value: Any) -> Any:
    if not isinstance(value, dict | ControlSettings):
        raise ValueError(f"{shown(value)} is not a ControlNet; write {{net: FILE, image: FILE, preprocess: canny}}")
    return value


ControlEntry = Annotated[ControlSettings, BeforeValidator(_control, json_schema_input_type=ControlSettings)]


ControlEntries = Annotated[
    tuple[ControlEntry, ...],
    BeforeValidator(as_tuple, json_schema_input_type=list[ControlSettings]),
    Field(max_length=16),
]


class ControlSet(Section):
    """One value of a sweep over ControlNets."""

    control: ControlEntries
