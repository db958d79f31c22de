"""The keys of users' pictures: what shots start from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sdbatch.config.fields import FilePath, Section, names
from sdbatch.spec.pictures import Resize


def _files(value: Any) -> Any:
    return () if value is None else names(value)


Files = Annotated[tuple[FilePath, ...], BeforeValidator(_files, json_schema_input_type=None | str | list[str])]


class InitSettings(Section):
    """The picture that shots start from (image to image); the folder of task=init."""

    image: Files = Field((), description="a picture, or a folder, a pattern or a list: an axis. PNG, JPEG, WebP")
    strength: float = Field(0.6, ge=0, le=1, description="share of the steps: 0 is the picture, 1 nearly ignores it")
    resize: Resize = Field(
        "fill", description="to the canvas: fill crops, fit repeats edges, stretch, or none (as it is)"
    )
    folder: FilePath = Field(".", description="task=init: folder of the project; none of its files may exist")
