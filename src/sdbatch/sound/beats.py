"""Finds beats: onset strength from the spectrum, the tempo from its autocorrelation, then the best path of beats.

D. P. W. Ellis, "Beat Tracking by Dynamic Programming", Journal of New Music Research 36(1), 2007. The onset strength is
rounded, so that differences between FFTs in the last digit find the same beats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 11025  # samples per second
WINDOW, HOP = 512, 110  # samples: frames of 46 ms, about 100 per second
FRAMES = RATE / HOP  # per second
SLOWEST, FASTEST = 40, 240  # beats per minute
USUAL, SPREAD = 120, 0.9  # the tempo that is preferred, and by how many octaves
TIGHTNESS = 100.0  # how much a beat that is early or late costs
EXCERPT = 180  # seconds from which the tempo is found
SILENT = 0.01  # onset strength: sums of differences of logarithms
QUIET = 0.1  # beats before the first and after the last onset of this share of the usual strength are left out
_BLOCK = 4096  # frames at a time
_LATE = 1.2 / FRAMES  # seconds: an onset shows when it fills a part of the window

Floats = NDArray[np.float64]


def find(samples: NDArray[np.int16]) -> tuple[float, ...]:
    """The times of beats, in seconds rounded to milliseconds; none in silence."""
    strength = onsets(samples)
    if len(strength) < FRAMES / 2 or strength.max() < SILENT:
        return ()
    frames = _tracked(strength, _period(strength))
    times = (frames * HOP + WINDOW / 2) / RATE - WINDOW / RATE / 2 + _LATE
    return tuple(round(float(max(0.0, t)), 3) for t in times)


def onsets(samples: NDArray[np.int16]) -> Floats:
    """The onset strength of every frame: how much louder the parts of the spectrum have become, without its mean."""
    count = len(samples) // HOP
    padded = np.pad(samples, (WINDOW // 2, WINDOW)).astype(np.float32) / 32768
    window = np.hanning(WINDOW).astype(np.float32)
    flux = np.zeros(count)
    last = np.zeros(WINDOW // 2 + 1)
    for start in range(0, count, _BLOCK):
        places = np.arange(start, min(start + _BLOCK, count))[:, None] * HOP + np.arange(WINDOW)
        loud = np.log1p(100 * np.abs(np.fft.rfft(padded[places] * window, axis=1)))
        rise = np.diff(np.vstack([last, loud]), axis=0)
        flux[start : start + len(loud)] = np.maximum(rise, 0).mean(axis=1)
        last = loud[-1]
    width = round(FRAMES / 2) | 1
    mean = np.convolve(np.pad(flux, width // 2, mode="edge"), np.full(width, 1 / width), "valid")
    return np.asarray(np.round(np.maximum(flux - mean, 0), 4))


def _period(strength: Floats) -> float:
    """The number of frames between beats."""
    part = strength[: int(EXCERPT * FRAMES)]
    part = part - part.mean()
    size = 1 << (2 * len(part) - 1).bit_length()
    spectrum = np.fft.rfft(part, size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, size)
    lags = np.arange(int(60 * FRAMES / FASTEST), min(int(60 * FRAMES / SLOWEST), len(part) - 1) + 1)
    octaves = np.log2(lags * USUAL / 60 / FRAMES)
    score = correlation[lags] * np.exp(-0.5 * (octaves / SPREAD) ** 2)
    return float(lags[int(np.argmax(np.round(score / (score.max() or 1), 6)))])


def _tracked(strength: Floats, period: float) -> NDArray[np.int64]:
    """The frames of the beats with the highest sum of strengths, less what deviations from ``period`` cost."""
    local = strength / (strength.std() or 1)
    steps = np.arange(-round(2 * period), -round(period / 2) + 1)
    cost = -TIGHTNESS * np.log(-steps / period) ** 2
    score, before = local.copy(), np.full(len(local), -1)
    for frame in range(-int(steps[-1]), len(local)):
        at = frame + steps
        known = at >= 0
        reached = score[at[known]] + cost[known]
        best = int(np.argmax(reached))
        if reached[best] > 0:
            score[frame] += reached[best]
            before[frame] = at[known][best]
    frame = len(score) - round(period) + int(np.argmax(score[-round(period) :])) if len(score) > period else -1
    found = []
    while frame >= 0:
        found.append(frame)
        frame = int(before[frame])
    return _trimmed(np.array(found[::-1], np.int64), local)


def _trimmed(frames: NDArray[np.int64], local: Floats) -> NDArray[np.int64]:
    """``frames`` without those before the first and after the last audible onset."""
    near = np.clip(frames[:, None] + np.arange(-2, 3), 0, len(local) - 1)
    strong = local[near].max(axis=1)
    audible = np.flatnonzero(strong > QUIET * np.median(strong[strong > 0])) if (strong > 0).any() else strong[:0]
    return frames[int(audible[0]) : int(audible[-1]) + 1] if len(audible) else frames[:0]
