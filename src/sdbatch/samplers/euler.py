"""Euler and Euler ancestral, as in k-diffusion's sample_euler and sample_euler_ancestral.

Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (arXiv:2206.00364), algorithm 1
without the second-order correction. The state is x0 + sigma * noise, so that d = dx / dsigma is the predicted noise.
"""

from __future__ import annotations

import math

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, tabulate
from sdbatch.samplers.grid import grid_with_last_step, initial_sigma
from sdbatch.samplers.noise import Level, NoiseSchedule, scaled


def euler(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """One state: the latent. eta = 1 adds fresh noise at every step (Euler ancestral)."""
    timesteps, sigmas = grid_with_last_step(sampler, schedule, steps)
    x, p, z = basis(1)

    def evaluate(i: int) -> Evaluation:
        sigma, target = sigmas[i], sigmas[i + 1]
        level = scaled(sigma)
        _, d = schedule.split(level.alpha * x, p, level)
        up = min(target, sampler.eta * target * math.sqrt(sigma**2 - target**2) / sigma)
        down = math.sqrt(target**2 - up**2)
        return Evaluation(timesteps[i], level.alpha, (x + d * (down - sigma) + up * z,), Level(1.0, target))

    return tabulate(
        initial_sigma(sampler, sigmas), Level(1.0, sigmas[start]), [evaluate(i) for i in range(start, steps)]
    )
