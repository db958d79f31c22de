"""The hints of a shot: its control pictures, preprocessed at its size and embedded, once for all evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdbatch.engine.control import ControlNet, Hint, scales
from sdbatch.engine.init_image import to_grid, visible
from sdbatch.media.control_picture import control_picture
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Feed


def hints_of(shot: Shot, nets: Sequence[ControlNet], feed: Feed) -> Iterator[Hint]:
    """A hint for each control of ``shot``, whose networks are ``nets``."""
    for control, net in zip(shot.controls, nets, strict=True):
        picture = control_picture(feed.input(control.picture), control.preprocess, (shot.width, shot.height))
        yield Hint(
            net.embed(to_grid(visible(picture, shot), shot)), scales(control.weight, control.guess, net.residuals)
        )
