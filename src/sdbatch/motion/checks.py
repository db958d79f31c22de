"""What must hold between the ``motion:`` keys of a film: lengths, times, loops, and what the mode itself asks for."""

from __future__ import annotations

from sdbatch.motion.fields import wrong
from sdbatch.motion.settings import CURVES, FRAMES, TRACKS, Motion
from sdbatch.schedule import points


def check(motion: Motion) -> None:
    """Raises for the first mistake, naming its key."""
    from sdbatch.motion import MODES

    mode = MODES[motion.mode]
    _length(motion)
    timed = [name for name in (*CURVES, *TRACKS) if name not in getattr(mode, "DEPTHS", ()) and getattr(motion, name)]
    for name in timed:
        try:
            points(getattr(motion, name), motion.clock)
        except ValueError as e:
            raise wrong(name, str(e)) from None
    if hasattr(mode, "check"):
        mode.check(motion)
    if motion.loop is True:
        for name in set(timed) - getattr(mode, "CLOSES", frozenset()):
            _closed(motion, name)
        if motion.phrases()[0] != motion.phrases()[-1]:
            raise wrong(
                "phrase", f"{motion.phrase!r} does not end as it began, as a loop must; leave out {{t}} and {{frame}}"
            )


def _length(motion: Motion) -> None:
    if motion.frames is not None and motion.seconds is not None:
        raise wrong("frames", f"{motion.frames} and seconds {motion.seconds:g} are in conflict; give one of them")
    if motion.frames is None and motion.seconds is None:
        raise wrong("seconds", f"a film of mode {motion.mode} needs a length; give seconds or frames")
    if not FRAMES[0] <= motion.count <= FRAMES[1]:
        raise wrong("seconds", f"{motion.count} frames are out of range {FRAMES[0]}–{FRAMES[1]}")


def _closed(motion: Motion, name: str) -> None:
    """A loop needs equal ends (whole turns are equal)."""
    if name in TRACKS:
        first, last = (a if share < 1 else b for a, b, share in (motion.track(name)[0], motion.track(name)[-1]))
        equal = first == last
    else:
        values = motion.curve(name)
        first, last = values[0], values[-1]
        turns = (last - first) / 360 if name == "roll" else last - first
        equal = abs(turns - (round(turns) if name == "roll" else 0)) < 1e-9
    if not equal:
        raise wrong(name, f"a loop needs equal ends, not {first!r} and {last!r}; loop: pingpong runs back instead")
