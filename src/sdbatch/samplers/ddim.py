"""DDIM. Song et al., "Denoising Diffusion Implicit Models" (arXiv:2010.02502), eq. (12) and (16)."""

from __future__ import annotations

import math

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, tabulate
from sdbatch.samplers.grid import training_steps
from sdbatch.samplers.noise import NoiseSchedule


def ddim(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """One state: the latent. Each step goes down by train_steps // steps, for every spacing. No Karras schedule."""
    timesteps = training_steps(sampler, schedule, steps)[start:]
    stride = schedule.train_steps // steps
    evaluations = [_step(sampler.eta, schedule, t, t - stride) for t in timesteps]
    return tabulate(1.0, schedule.level(timesteps[0]), evaluations)


def _step(eta: float, schedule: NoiseSchedule, t: int, t_prev: int) -> Evaluation:
    x, p, z = basis(1)
    now, prev = schedule.level(t), schedule.level(t_prev)
    x0, eps = schedule.split(x, p, now)
    std = eta * prev.sigma / now.sigma * math.sqrt(1.0 - (now.alpha / prev.alpha) ** 2)
    x_prev = prev.alpha * x0 + math.sqrt(prev.sigma**2 - std**2) * eps + std * z
    return Evaluation(t, 1.0, (x_prev,), prev)
