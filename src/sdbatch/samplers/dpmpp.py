"""DPM-Solver++(2M) and its SDE form, as in k-diffusion's sample_dpmpp_2m and sample_dpmpp_2m_sde (midpoint).

Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models" (arXiv:2211.01095):
algorithm 2, and its SDE counterpart. lambda = log(alpha / sigma) and h = lambda_t - lambda_s, so that exp(-h) is a
ratio of sigmas.
"""

from __future__ import annotations

import math

import numpy as np

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, tabulate
from sdbatch.samplers.grid import grid_without_last_step
from sdbatch.samplers.noise import NoiseSchedule, scaled


def dpmpp(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """Two states: the latent and the previous prediction of x0. First order at both ends; eta = 1 is the SDE."""
    timesteps, sigmas = grid_without_last_step(sampler, schedule, steps)
    lam = -np.log(sigmas[:-1])
    x, m1, p, z = basis(2)

    def evaluate(i: int) -> Evaluation:
        s, t = scaled(sigmas[i]), scaled(sigmas[i + 1])
        m0, _ = schedule.split(x, p, s)
        d = m0
        if start < i < steps - 1:
            r0 = (lam[i] - lam[i - 1]) / (lam[i + 1] - lam[i])
            d = m0 + (m0 - m1) / (2 * r0)
        e = sigmas[i + 1] / sigmas[i]  # exp(-h)
        x_t = t.sigma / s.sigma * e**sampler.eta * x + t.alpha * (1.0 - e ** (1.0 + sampler.eta)) * d
        x_t = x_t + t.sigma * math.sqrt(1.0 - e ** (2.0 * sampler.eta)) * z
        return Evaluation(timesteps[i], 1.0, (x_t, m0), t)

    return tabulate(1.0, scaled(sigmas[start]), [evaluate(i) for i in range(start, steps)])
