"""Click tracks: WAV files whose beats are known."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdbatch import ffmpeg

RATE = 44_100
LENGTH = round(0.05 * RATE)
CLICK = 0.8 * np.exp(-np.arange(LENGTH) / (0.01 * RATE)) * np.sin(2 * np.pi * 1000 * np.arange(LENGTH) / RATE)


def samples(
    tempo: float, seconds: float, noise: float = 0.0, start: float = 0.5
) -> tuple[NDArray[np.float64], list[float]]:
    """Sound with clicks, and their times."""
    sound = np.random.default_rng(0).normal(0, noise or 1e-9, round(seconds * RATE))
    times = [float(t) for t in np.arange(start, seconds - 0.05, 60 / tempo)]
    for t in times:
        at = round(t * RATE)
        sound[at : at + LENGTH] += CLICK
    return sound, times


def write(path: Path, sound: NDArray[np.float64]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def clicks(path: Path, tempo: float = 120, seconds: float = 3.0) -> Path:
    return write(path, samples(tempo, seconds)[0])


def heard(path: Path) -> tuple[float, list[float]]:
    """The length of a file's sound, and when clicks begin in it."""
    command = [ffmpeg.exe(), *ffmpeg.QUIET, "-i", str(path), "-ac", "1", "-ar", "48000", "-f", "s16le", "-"]
    found = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<i2").astype(float)
    loud = np.flatnonzero(np.abs(found) > 6000)
    first = [int(i) for n, i in enumerate(loud) if n == 0 or i - loud[n - 1] > 4800]
    return len(found) / 48000, [round(i / 48000, 4) for i in first]
