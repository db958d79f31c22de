"""Scenes for the tests of the second generation."""

from __future__ import annotations

from dataclasses import replace

from training.second.scene import Scene, draw_scene


def plain(seed: int, **changes: object) -> Scene:
    """A square scene of one subject at zoom 1, with changes."""
    base = replace(draw_scene(seed, "1:1"), weather="clear", zoom=1.0, part="", second=None, side="")
    return replace(base, **changes)  # type: ignore[arg-type]
