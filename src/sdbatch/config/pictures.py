"""The keys of users' pictures: what shots start from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sdbatch.config.fields import FilePath, Section, names
from sdbatch.spec.limits import MASK_BLUR
from sdbatch.spec.pictures import Content, Resize


def _files(value: Any) -> Any:
    return () if value is None else names(value)


Files = Annotated[tuple[FilePath, ...], BeforeValidator(_files, json_schema_input_type=None | str | list[str])]


class InitSettings(Section):
    """The picture that shots start from (image to image); the folder of task=init."""

    image: Files = Field((), description="a picture, or a folder, a pattern or a list: an axis. PNG, JPEG, WebP")
    video: FilePath | None = Field(
        None, description="instead of image: a video (MP4, MOV, MKV, WebM, GIF), or a folder of its frames: one a shot"
    )
    strength: float = Field(0.6, ge=0, le=1, description="share of the steps: 0 is the picture, 1 nearly ignores it")
    resize: Resize = Field(
        "fill", description="to the canvas: fill crops, fit repeats edges, stretch, or none (as it is)"
    )
    folder: FilePath = Field(".", description="task=init: folder of the project; none of its files may exist")

    @model_validator(mode="after")
    def _one(self) -> InitSettings:
        if self.image and self.video is not None:
            raise ValueError("image and video are both set; give one of them")
        return self


ALPHA = "alpha"  # as the name of a mask: the transparent parts of the picture itself


def _share_or_pixels(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError(f"{value:g} is neither a share (0 to 1) nor a whole number of pixels (from 2)")
    return value


Amount = Annotated[float, Field(ge=0, le=8191, strict=False), AfterValidator(_share_or_pixels)]


class Outpaint(Section):
    """What is added to the picture at its sides: up to 1 a share of its width or height, from 2 whole pixels."""

    left: Amount = Field(0, description="at the left")
    top: Amount = Field(0, description="above")
    right: Amount = Field(0, description="at the right")
    bottom: Amount = Field(0, description="below")

    @property
    def used(self) -> bool:
        return any((self.left, self.top, self.right, self.bottom))

    def __str__(self) -> str:
        return ", ".join(f"{side} {amount:g}" for side, amount in self if amount) or "none"


class MaskSettings(Section):
    """The part of init.image that is repainted (inpainting)."""

    image: FilePath | None = Field(
        None,
        description="a picture of the same size, white where it is painted; alpha: the transparent parts of init.image",
    )
    invert: bool = Field(False, description="paint the black parts instead")
    blur: float = Field(
        4.0,
        ge=0,
        le=MASK_BLUR,
        description="of the soft edge around the mask, in pixels; it ends at about 2.5 times as many",
    )
    content: Content = Field(
        "original", description="what painting begins with: the original, nothing of it, or colours from around (fill)"
    )
    padding: int | None = Field(
        None, ge=0, le=4096, description="only the mask and so many pixels around it are rendered; null: the whole"
    )
    outpaint: Outpaint = Field(Outpaint(), description="widens the picture: {right: 0.5} by half, {top: 128} by pixels")

    @property
    def used(self) -> bool:
        return self.image is not None or self.outpaint.used
