"""What must hold between the ``motion:`` keys of a video: lengths, times, loops, and what the mode itself asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic_core import PydanticCustomError

from sdbatch.motion.fields import together, wrong
from sdbatch.motion.schedule import points
from sdbatch.motion.settings import CURVES, FRAMES, TRACKS, Motion, variables


def check(motion: Motion) -> None:
    """Raises with every mistake; what builds on the length, or on times, is asked only when those are right."""
    from sdbatch.motion import MODES

    mode = MODES[motion.mode]
    _length(motion)
    timed = [name for name in (*CURVES, *TRACKS) if name not in getattr(mode, "DEPTHS", ()) and getattr(motion, name)]
    _raise(_times(motion, timed))
    closed = [name for name in timed if name not in getattr(mode, "CLOSES", ())] if motion.loop is True else []
    _raise([*getattr(mode, "check", lambda _: ())(motion), *_open(motion, closed)])


def _raise(found: Iterable[PydanticCustomError]) -> None:
    if mistakes := list(found):
        raise together(mistakes)


def _times(motion: Motion, names: Iterable[str]) -> Iterator[PydanticCustomError]:
    for name in names:
        try:
            points(getattr(motion, name), motion.clock)
        except ValueError as e:
            yield wrong(name, str(e))


def _length(motion: Motion) -> None:
    if motion.frames is not None and motion.seconds is not None:
        raise wrong("frames", f"{motion.frames} and seconds {motion.seconds:g} are in conflict; give one of them")
    if motion.frames is None and motion.seconds is None:
        raise wrong("seconds", f"a video of mode {motion.mode} needs a length; give seconds or frames")
    if not FRAMES[0] <= motion.count <= FRAMES[1]:
        raise wrong("seconds", f"{motion.count} frames are out of range {FRAMES[0]}–{FRAMES[1]}")


def _open(motion: Motion, names: Sequence[str]) -> Iterator[PydanticCustomError]:
    """What keeps a loop from ending as it began."""
    for name in names:
        first, last = _ends(motion, name)
        apart = (last - first) / 360 if name == "roll" else last - first if name in CURVES else first != last
        if abs(apart - (round(apart) if name == "roll" else 0)) > 1e-9:
            yield wrong(name, f"a loop needs equal ends, not {first!r} and {last!r}; loop: pingpong runs back instead")
    if (
        names
        and motion.phrases()[0] != motion.phrases()[-1]
        and not variables(motion.phrase).isdisjoint(("t", "frame"))
    ):
        yield wrong(
            "phrase", f"{motion.phrase!r} does not end as it began, as a loop must; leave out {{t}} and {{frame}}"
        )


def _ends(motion: Motion, name: str) -> tuple[Any, Any]:
    if name in CURVES:
        return motion.curve(name)[0], motion.curve(name)[-1]
    first, last = (a if share < 1 else b for a, b, share in (motion.track(name)[0], motion.track(name)[-1]))
    return first, last
