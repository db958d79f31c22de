"""The hints of a shot: its control pictures, preprocessed at its size and embedded, once for all evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdbatch.engine.control import ControlNet, Hint, scales
from sdbatch.engine.init_image import InitImage, to_grid, visible
from sdbatch.errors import RenderError
from sdbatch.media.control_picture import control_picture
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Feed


def hints_of(shot: Shot, nets: Sequence[ControlNet], feed: Feed, start: InitImage | None) -> Iterator[Hint]:
    """A hint for each control of ``shot``, which begins with ``start``, and whose networks are ``nets``."""
    for control, net in zip(shot.controls, nets, strict=True):
        if control.picture is not None:
            pixels = feed.input(control.picture)
        elif start is not None:
            pixels = start.unchanged
        else:
            raise RenderError("a ControlNet is to see the picture that the shot starts from, and it starts from noise")
        picture = control_picture(pixels, control.preprocess, (shot.width, shot.height))
        yield Hint(
            net.embed(to_grid(visible(picture, shot), shot)), scales(control.weight, control.guess, net.residuals)
        )
