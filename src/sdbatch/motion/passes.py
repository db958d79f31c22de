"""Passes over a picture after the first: the shots that they add. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdbatch.spec.jobs import Shot, Start
from sdbatch.spec.passes import Pass


def passed(first: Shot, passes: tuple[Pass, ...]) -> Iterator[Shot]:
    """The shots of ``passes`` over the picture of ``first``: each starts from the one before."""
    last = first
    for each in passes:
        start = Start(last.id, each.strength, upscaler=each.upscaler)
        width, height = each.enlarged(last.width), each.enlarged(last.height)
        steps = each.schedule(first.steps) if each.strength else first.steps
        last = replace(first, width=width, height=height, steps=steps, start=start, init=None)
        yield last
