"""Heun's second-order method, as in k-diffusion's sample_heun.

Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (arXiv:2206.00364), algorithm 1:
an Euler step, then the mean of the slopes at both its ends; the step to 0 stays an Euler step.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, tabulate
from sdbatch.samplers.grid import grid_with_last_step, initial_sigma
from sdbatch.samplers.noise import Array, Level, NoiseSchedule, scaled


def heun(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """Two states: the latent, and the half step that the correction completes."""
    timesteps, sigmas = grid_with_last_step(sampler, schedule, steps)
    evaluations = _evaluations(schedule, timesteps[start:], sigmas[start:])
    return tabulate(initial_sigma(sampler, sigmas), Level(1.0, sigmas[start]), evaluations)


def _evaluations(schedule: NoiseSchedule, timesteps: Array, sigmas: Array) -> Iterator[Evaluation]:
    x, half, p, _ = basis(2)

    def slope(sigma: float) -> Array:
        level = scaled(sigma)
        return schedule.split(level.alpha * x, p, level)[1]

    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        dt, after = target - sigma, Level(1.0, target)
        d = slope(sigma)
        yield Evaluation(timesteps[i], scaled(sigma).alpha, (x + d * dt, x + d * dt / 2), after)
        if target > 0.0:
            corrected = half + slope(target) * dt / 2
            yield Evaluation(timesteps[i + 1], scaled(target).alpha, (corrected, np.zeros_like(x)), after, True)
