"""The sound of a plan's videos: files read, and their beats put into the schedules that need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sdbatch.errors import ConfigError, Problem, shown
from sdbatch.motion import waves
from sdbatch.motion.keys import CURVES
from sdbatch.motion.settings import Motion
from sdbatch.motion.waves import Wave
from sdbatch.sound.heard import hear
from sdbatch.spec.codecs import CODECS
from sdbatch.spec.jobs import Encoding
from sdbatch.spec.sound import Sound

KEY = "encoding.audio"


def read(sound: Sound | None, key: str = KEY) -> Sound | None:
    """``sound`` with what its file says. Raises ConfigError."""
    if sound is None:
        return None
    if not sound.path:
        raise ConfigError.one(key, f"{shown(sound.digest)} names no file", "write the name of a sound file")
    try:
        return hear(sound.path)
    except (OSError, ValueError) as e:  # OSError: there is no ffmpeg
        raise ConfigError.one(key, f"{shown(sound.path)} {e}") from e


def on_beat(settings: Motion, sound: Sound | None) -> Motion:
    """``settings`` with the beats of ``sound`` in the schedules that follow beats. Raises ConfigError."""
    waiting = dict(_waiting(settings))
    if not waiting:
        return settings
    if sound is None or not sound.beats:
        why = "needs encoding.audio" if sound is None else f"needs beats, and none are heard in {shown(sound.path)}"
        raise ConfigError(
            Problem(f"motion.{name}", f"wave beats {why}", "or give their seconds: times: [0.5, 1, 1.5]")
            for name in waiting
        )
    timed = {name: waves.beat(w, sound.beats, sound.seconds, settings.clock) for name, w in waiting.items()}
    return settings.model_copy(update=timed)


def _waiting(settings: Motion) -> Iterator[tuple[str, Wave]]:
    """The schedules that follow beats which are not known yet."""
    if settings.mode == "still":
        return
    for name in CURVES:
        curve: Any = getattr(settings, name)
        if isinstance(curve, Wave) and curve.needs_beats:
            yield name, curve


def heard(encoding: Encoding, key: str = KEY, known: Sound | None = None) -> Encoding:
    """``encoding`` with what the file of its sound says, unless it is ``known``. Raises ConfigError."""
    audio = known if encoding.audio == known else read(encoding.audio, key)
    made = replace(encoding, audio=audio)
    if wrong := silent(made):
        raise ConfigError(Problem(key, p.message, p.hint) for p in wrong)
    return made


def silent(encoding: Encoding) -> list[Problem]:
    """The mistake of a sound in a file that cannot hold any."""
    if encoding.audio is None or CODECS[encoding.codec].sound:
        return []
    able = ", ".join(codec.name for codec in CODECS.values() if codec.sound)
    return [Problem(KEY, f"{encoding.codec} files hold no sound", f"use encoding.codec: {able}")]


def found_at(encoding: Encoding, path: str) -> Encoding:
    """``encoding`` with its sound, whose digest alone is known, at ``path``."""
    return encoding if encoding.audio is None else replace(encoding, audio=replace(encoding.audio, path=path))
