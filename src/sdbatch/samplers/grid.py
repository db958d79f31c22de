"""Where a sampler evaluates the denoiser: timesteps, and noise-to-signal ratios sigma = sqrt(1 - a) / sqrt(a).

Spacings are named as in Table 2 of Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed"
(arXiv:2305.08891); the Karras spacing is eq. (5) of Karras et al., "Elucidating the Design Space of Diffusion-Based
Generative Models" (arXiv:2206.00364). Knows no update rule.
"""

from __future__ import annotations

import math

import numpy as np

from sdbatch.samplers.base import Sampler, out_of_range
from sdbatch.samplers.noise import Array, NoiseSchedule, alphas_cumprod

RHO = 7.0


def spaced(spacing: str, schedule: NoiseSchedule, count: int) -> Array:
    """`count` timesteps, falling; only linspace leaves fractions."""
    total = schedule.train_steps
    if spacing == "linspace":
        return np.linspace(0.0, total - 1, count, dtype=np.float64)[::-1]
    if spacing == "trailing":
        ends = np.arange(total, 0.0, -total / count, dtype=np.float64)[:count]
        return np.round(ends) - 1.0
    steps = np.arange(count, dtype=np.float64)[::-1] * (total // count) + schedule.steps_offset
    if steps[0] >= total:
        raise out_of_range("steps", count, 1, total - schedule.steps_offset)
    return steps


def training_steps(sampler: Sampler, schedule: NoiseSchedule, steps: int) -> list[int]:
    """The grid of samplers that know training steps only (DDIM, PNDM)."""
    if sampler.karras:
        raise ValueError(f"{sampler.kind} has no Karras spacing: it walks along training steps")
    return [int(t) for t in np.round(spaced(sampler.spacing, schedule, steps))]


def closed(sampler: Sampler, schedule: NoiseSchedule, steps: int) -> tuple[Array, Array]:
    """(timesteps, sigmas and a final 0) of k-diffusion's samplers: from the first training step to the last."""
    timesteps = spaced(sampler.spacing, schedule, steps)
    sigmas = np.interp(timesteps, np.arange(schedule.train_steps), trained_sigmas(schedule))
    if sampler.karras:
        sigmas = karras(sigmas[0], sigmas[-1], steps)
        timesteps = timesteps_of(sigmas, schedule)
    return timesteps, np.append(sigmas, 0.0)


def initial_sigma(sampler: Sampler, sigmas: Array) -> float:
    """The scale of the first latent of `closed` sigmas: leading spacing begins late, where the picture counts too."""
    return math.hypot(sigmas[0], 1.0) if sampler.spacing == "leading" else float(sigmas[0])


def half_open(sampler: Sampler, schedule: NoiseSchedule, steps: int) -> tuple[Array, Array]:
    """(whole timesteps, sigmas and a final 0) of the DPM-Solver family: one step more is spaced, the last left out."""
    trained = trained_sigmas(schedule)
    if sampler.karras:
        sigmas = karras(trained[-1], trained[0], steps)
        return np.round(timesteps_of(sigmas, schedule)), np.append(sigmas, 0.0)
    if steps == schedule.train_steps:
        raise out_of_range("steps", steps, 1, schedule.train_steps - 1)
    trailing = sampler.spacing == "trailing"
    timesteps = np.round(spaced(sampler.spacing, schedule, steps if trailing else steps + 1)[:steps])
    return timesteps, np.append(trained[timesteps.astype(np.int64)], 0.0)


def karras(sigma_max: float, sigma_min: float, steps: int) -> Array:
    """Steps that shrink with the noise."""
    ramp = np.linspace(0.0, 1.0, steps)
    root: Array = sigma_max ** (1 / RHO) + ramp * (sigma_min ** (1 / RHO) - sigma_max ** (1 / RHO))
    return root**RHO


def trained_sigmas(schedule: NoiseSchedule) -> Array:
    """Noise-to-signal ratio of every training step, rising."""
    a = alphas_cumprod(schedule)
    return np.sqrt((1.0 - a) / a)


def timesteps_of(sigmas: Array, schedule: NoiseSchedule) -> Array:
    """The (fractional) training steps with these ratios."""
    return np.interp(np.log(sigmas), np.log(trained_sigmas(schedule)), np.arange(schedule.train_steps))
