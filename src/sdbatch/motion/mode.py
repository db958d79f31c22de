"""The type of a motion mode, and the registry ``MODES``, which ``sdbatch.motion`` fills. Imports no mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from sdbatch.spec.jobs import Frame, Shot

if TYPE_CHECKING:
    from sdbatch.motion.settings import Motion


def _no_errors(_: Motion) -> Iterable[PydanticCustomError]:
    return ()


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to turn a prompt into a video. All functions are pure.

    ``shots(base, motion)`` yields the shots, parents before children. ``frames(base, motion)`` yields every frame as
    layers that index into those shots. ``uses`` names the ``motion:`` keys that the mode supports besides mode, length
    and fps. ``check(motion)`` yields an error (``key_errors.key_error``) for each invalid combination of keys.
    ``by_depth`` names the schedules whose keyframes are [zoom, value] instead of [time, value]. ``own_loop`` names the
    schedules whose ends the mode's own check validates when the video loops.
    """

    uses: frozenset[str]
    shots: Callable[[Shot, Motion], Iterable[Shot]]
    frames: Callable[[Shot, Motion], Iterable[Frame]]
    check: Callable[[Motion], Iterable[PydanticCustomError]] = _no_errors
    by_depth: frozenset[str] = frozenset()
    own_loop: frozenset[str] = frozenset()


MODES: dict[str, Mode] = {}
