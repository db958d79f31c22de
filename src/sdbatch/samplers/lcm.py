"""Multistep sampling of consistency models.

Luo et al., "Latent Consistency Models: Synthesizing High-Resolution Images with Few-Step Inference"
(arXiv:2310.04378); boundary conditions of Song et al., "Consistency Models" (arXiv:2303.01469).
"""

from __future__ import annotations

import math

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, out_of_range, tabulate
from sdbatch.samplers.noise import CLEAN, NoiseSchedule

DISTILLED_STEPS = 50  # steps of the solver from which the weights were distilled
SIGMA_DATA = 0.5  # standard deviation of the data in the boundary conditions
TIMESTEP_SCALING = 10.0  # of the boundary conditions, as in diffusers' LCMScheduler


def lcm(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """One state: the latent. Every evaluation predicts x0; all but the last add fresh noise.

    Raises ValueError for more than 50 steps or a Karras schedule.
    """
    if sampler.karras:
        raise ValueError("lcm has no Karras schedule: it uses the distilled steps only")
    if steps > DISTILLED_STEPS:
        raise out_of_range("steps", steps, 1, DISTILLED_STEPS)
    stride = schedule.train_steps // DISTILLED_STEPS
    timesteps = [(DISTILLED_STEPS - i * DISTILLED_STEPS // steps) * stride - 1 for i in range(start, steps)]
    targets = [*timesteps[1:], None]
    evaluations = [_step(schedule, t, target) for t, target in zip(timesteps, targets, strict=True)]
    return tabulate(1.0, schedule.level(timesteps[0]), evaluations)


def _step(schedule: NoiseSchedule, t: int, target: int | None) -> Evaluation:
    x, p, z = basis(1)
    x0, _ = schedule.split(x, p, schedule.level(t))
    scaled_t = t * TIMESTEP_SCALING
    c_skip = SIGMA_DATA**2 / (scaled_t**2 + SIGMA_DATA**2)
    c_out = scaled_t / math.hypot(scaled_t, SIGMA_DATA)
    after = CLEAN if target is None else schedule.level(target)
    return Evaluation(t, 1.0, (after.alpha * (c_skip * x + c_out * x0) + after.sigma * z,), after)
