"""Checks across the ``motion:`` keys of a video: length, times, loops, and the checks of its mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from sdbatch.motion.deforum import Formula
from sdbatch.motion.key_errors import combined_error, key_error
from sdbatch.motion.keys import CURVES, FRAMES, TRACKS, out_of_range, variables
from sdbatch.motion.mode import MODES
from sdbatch.motion.schedule import Key, points
from sdbatch.motion.waves import Wave

if TYPE_CHECKING:
    from sdbatch.motion.settings import Motion


def check(motion: Motion) -> None:
    """Raise one PydanticCustomError with every mistake (``key_errors.combined_error``).

    Times are checked only if the length is valid, loops and the mode only if the times are valid.
    """
    mode = MODES[motion.mode]
    _length(motion)
    timed = [name for name in (*CURVES, *TRACKS) if name not in mode.by_depth and getattr(motion, name)]
    _raise(_times(motion, timed))
    looping = [name for name in timed if name not in mode.own_loop] if motion.loop is True else []
    _raise([*mode.check(motion), *_unequal_ends(motion, looping)])


def _raise(errors: Iterable[PydanticCustomError]) -> None:
    if found := list(errors):
        raise combined_error(found)


def _times(motion: Motion, names: Iterable[str]) -> Iterator[PydanticCustomError]:
    for name in names:
        try:
            keys = motion.keyframes(name) if name in CURVES else getattr(motion, name)
            points(keys, motion.clock)
        except ValueError as e:
            yield key_error(f"{name}.period" if isinstance(getattr(motion, name), Wave) else name, str(e))
        else:
            if isinstance(getattr(motion, name), Formula):
                yield from islice(_outside(name, keys), 1)


def _outside(name: str, keys: Sequence[Key[float]]) -> Iterator[PydanticCustomError]:
    """Errors for the values of a formula that are out of range, which are known only with the length of the video."""
    for key in keys:
        if text := out_of_range(name, key.value):
            yield key_error(name, f"{text} at frame {key.time}")


def _length(motion: Motion) -> None:
    if motion.frames is not None and motion.seconds is not None:
        raise key_error("frames", f"{motion.frames} and seconds {motion.seconds:g} are in conflict; give one of them")
    if motion.frames is None and motion.seconds is None:
        raise key_error("seconds", f"a video of mode {motion.mode} needs a length; give seconds or frames")
    if not FRAMES[0] <= motion.length <= FRAMES[1]:
        raise key_error("seconds", f"{motion.length} frames are out of range {FRAMES[0]}–{FRAMES[1]}")


def _unequal_ends(motion: Motion, names: Sequence[str]) -> Iterator[PydanticCustomError]:
    """Errors for schedules and phrases whose first and last values differ, so a loop would jump."""
    for name in names:
        first, last = _ends(motion, name)
        gap = (last - first) / 360 if name == "roll" else last - first if name in CURVES else first != last
        if abs(gap - (round(gap) if name == "roll" else 0)) > 1e-9:
            text = f"a loop needs equal ends, not {first!r} and {last!r}"
            if isinstance(getattr(motion, name), Wave):
                text += "; for example a period of 50% or 25% fits"
            yield key_error(name, f"{text}; or use loop: pingpong, which plays forwards, then backwards")
    if (
        names
        and motion.phrases()[0] != motion.phrases()[-1]
        and not variables(motion.phrase).isdisjoint(("t", "frame"))
    ):
        text = f"{motion.phrase!r} differs at the first and the last frame of a loop"
        yield key_error("phrase", f"{text}; leave out {{t}} and {{frame}}")


def _ends(motion: Motion, name: str) -> tuple[Any, Any]:
    if name in CURVES:
        return motion.curve(name)[0], motion.curve(name)[-1]
    first, last = (a if share < 1 else b for a, b, share in (motion.track(name)[0], motion.track(name)[-1]))
    return first, last
