"""Films whose length the section ``motion`` does not say: it is swept, or it is that of a user's video. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdbatch.motion.keys import FRAMES
from sdbatch.motion.settings import Motion
from sdbatch.spec.ranges import is_range, parse_range

UNKNOWN_LENGTH = FRAMES[1]  # of a film that is as long as a video that was not read yet


def known_later(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the section ``motion`` of an experiment can be validated with until the rest is known."""
    firsts = _first_motion_values(data)
    return firsts if {"frames", "seconds"} & firsts.keys() else _length_of_video(data) | firsts


def _length_of_video(data: Mapping[str, Any]) -> dict[str, Any]:
    """The longest length for a film without one that follows a user's video: planning reads how long that is."""
    motion, init = data.get("motion") or {}, data.get("init")
    if not isinstance(motion, dict) or any(motion.get(name) is not None for name in ("frames", "seconds")):
        return {}
    sweep = data.get("sweep")
    swept = [e for e in sweep if isinstance(e, dict)] if isinstance(sweep, list) else []
    controls = [data.get("control"), *(e.get("control") for e in swept)]
    videos = [init.get("video") if isinstance(init, dict) else None, *(e.get("init.video") for e in swept)]
    if any(videos) or any(map(_names_video, controls)):
        return {"frames": UNKNOWN_LENGTH}
    return {}


def _names_video(control: Any) -> bool:
    """Whether ControlNets, or lists of them, get pictures of a video."""
    if isinstance(control, list):
        return any(map(_names_video, control))
    return isinstance(control, dict) and bool(control.get("video"))


def _first_motion_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """The first value of every swept ``motion.`` key, because a video can get its length from the sweep alone."""
    entries = data.get("sweep")
    if not isinstance(entries, list) or not isinstance(data.get("motion", {}), dict):
        return {}
    swept = {k: v for entry in entries if isinstance(entry, dict) for k, v in entry.items()}
    lists: dict[str, Any] = {name: swept.get(f"motion.{name}") for name in Motion.model_fields}
    firsts = {name: v[0] for name, v in lists.items() if isinstance(v, list) and v}
    lows = {name: v.partition("..")[0] for name, v in lists.items() if is_range(v)}
    return firsts | {name: parse_range(f"{low}..{low}")[0] for name, low in lows.items()}
