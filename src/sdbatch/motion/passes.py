"""Passes over a picture after the first: the shots that they add. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdbatch.spec.inputs import first_pass
from sdbatch.spec.jobs import Shot
from sdbatch.spec.limits import MASK_BLUR
from sdbatch.spec.passes import Pass
from sdbatch.spec.pictures import Init
from sdbatch.spec.start import Start


def _within(first: Shot, last: Shot, each: Pass) -> Init | None:
    """The part that a pass paints: that of the picture's mask, with an edge as wide as the picture is larger."""
    init = first.init
    if init is None or init.mask is None or not each.strength:
        return None
    blur = init.mask.blur * each.enlarged(last.width) / first.width
    return replace(init, mask=replace(init.mask, blur=min(round(blur, 6), MASK_BLUR)))


def passed(first: Shot, passes: tuple[Pass, ...]) -> Iterator[Shot]:
    """The shots of ``passes`` over the picture of ``first``: each starts from the one before."""
    last = first_pass(first)
    for each in passes:
        start = Start(last.id, each.strength, upscaler=each.upscaler, within=_within(first, last, each))
        width, height = each.enlarged(last.width), each.enlarged(last.height)
        steps = each.schedule(first.steps) if each.strength else first.steps
        last = replace(first, width=width, height=height, steps=steps, start=start, init=None)
        yield last
