"""Timesteps at which samplers evaluate the denoiser, and their noise-to-signal ratios sigma = sqrt(1 - a) / sqrt(a).

Spacings are named as in Table 2 of Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed"
(arXiv:2305.08891); the Karras spacing is eq. (5) of Karras et al., "Elucidating the Design Space of Diffusion-Based
Generative Models" (arXiv:2206.00364). Contains no update rule.
"""

from __future__ import annotations

import math

import numpy as np

from sdbatch.samplers.base import Sampler, out_of_range
from sdbatch.samplers.noise import Array, NoiseSchedule, alphas_cumprod

RHO = 7.0  # Karras et al., table 1


def spaced_timesteps(spacing: str, schedule: NoiseSchedule, count: int) -> Array:
    """`count` timesteps, (count,), descending; only linspace gives fractions.

    Raises ValueError if `count` timesteps do not fit into the schedule.
    """
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
    """The timesteps of samplers that are defined at training steps only (DDIM, PNDM), descending.

    Raises ValueError for a Karras schedule.
    """
    if sampler.karras:
        raise ValueError(f"{sampler.kind} has no Karras schedule: it uses training steps only")
    return [int(t) for t in np.round(spaced_timesteps(sampler.spacing, schedule, steps))]


def grid_with_last_step(sampler: Sampler, schedule: NoiseSchedule, steps: int) -> tuple[Array, Array]:
    """(timesteps (steps,), sigmas (steps + 1,)) of k-diffusion's samplers, descending; the last sigma is 0.

    The grid includes the last training step (t = 0 for linspace).
    """
    timesteps = spaced_timesteps(sampler.spacing, schedule, steps)
    sigmas = np.interp(timesteps, np.arange(schedule.train_steps), training_sigmas(schedule))
    if sampler.karras:
        sigmas = karras(sigmas[0], sigmas[-1], steps)
        timesteps = timesteps_of(sigmas, schedule)
    return timesteps, np.append(sigmas, 0.0)


def initial_sigma(sampler: Sampler, sigmas: Array) -> float:
    """The scale of the first latent on `sigmas`. With leading spacing the first sigma is so small that the variance of
    the picture is added, as diffusers does."""
    return math.hypot(sigmas[0], 1.0) if sampler.spacing == "leading" else float(sigmas[0])


def grid_without_last_step(sampler: Sampler, schedule: NoiseSchedule, steps: int) -> tuple[Array, Array]:
    """(timesteps (steps,), sigmas (steps + 1,)) of the DPM-Solver family, descending; the last sigma is 0.

    As in diffusers, steps + 1 timesteps are spaced and the last one is dropped; timesteps are whole numbers. Raises
    ValueError if `steps` is the number of training steps.
    """
    training = training_sigmas(schedule)
    if sampler.karras:
        sigmas = karras(training[-1], training[0], steps)
        return np.round(timesteps_of(sigmas, schedule)), np.append(sigmas, 0.0)
    if steps == schedule.train_steps:
        raise out_of_range("steps", steps, 1, schedule.train_steps - 1)
    trailing = sampler.spacing == "trailing"
    timesteps = np.round(spaced_timesteps(sampler.spacing, schedule, steps if trailing else steps + 1)[:steps])
    return timesteps, np.append(training[timesteps.astype(np.int64)], 0.0)


def karras(sigma_max: float, sigma_min: float, steps: int) -> Array:
    """`steps` sigmas from `sigma_max` down to `sigma_min`, (steps,): Karras et al., eq. (5)."""
    ramp = np.linspace(0.0, 1.0, steps)
    root: Array = sigma_max ** (1 / RHO) + ramp * (sigma_min ** (1 / RHO) - sigma_max ** (1 / RHO))
    return root**RHO


def training_sigmas(schedule: NoiseSchedule) -> Array:
    """Noise-to-signal ratio of every training step, (train_steps,), ascending."""
    a = alphas_cumprod(schedule)
    if schedule.zero_snr:  # the last ratio would be infinite; diffusers' choice, in float16 almost the smallest number
        a = np.append(a[:-1], 2.0**-24)
    return np.sqrt((1.0 - a) / a)


def timesteps_of(sigmas: Array, schedule: NoiseSchedule) -> Array:
    """The (fractional) training steps with the noise-to-signal ratios `sigmas`, same shape."""
    return np.interp(np.log(sigmas), np.log(training_sigmas(schedule)), np.arange(schedule.train_steps))
