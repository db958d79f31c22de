"""UniPC of order 2 with B2(h), in data prediction form (x0).

Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models"
(arXiv:2302.04867). Each evaluation first corrects the previous step (UniC), then predicts the next one (UniP). All
terms of a correction except the last are known one evaluation earlier; the state holds their sum.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, tabulate
from sdbatch.samplers.grid import grid_without_last_step
from sdbatch.samplers.noise import Array, NoiseSchedule, scaled


class Corrector(NamedTuple):
    """Weights of B(h) * (m_past - m0) / r and B(h) * (m_new - m0) in a corrected step (m: predictions of x0)."""

    past: float
    new: float


def unipc(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """Three states: the predicted latent, its incomplete correction, the previous prediction of x0."""
    timesteps, sigmas = grid_without_last_step(sampler, schedule, steps)
    evaluations = []
    weight = 0.0  # of this evaluation's x0 in the correction of the previous step
    for i in range(start, steps):
        state, weight = _step(schedule, sigmas, i, weight, second=start < i < steps - 1)
        evaluations.append(Evaluation(timesteps[i], 1.0, state, scaled(sigmas[i + 1])))
    return tabulate(1.0, scaled(sigmas[start]), evaluations)


def _step(
    schedule: NoiseSchedule, sigmas: Array, i: int, weight: float, *, second: bool
) -> tuple[tuple[Array, Array, Array], float]:
    """The next state, and the weight of the next prediction of x0 in the correction. `second`: of second order."""
    x, incomplete, m1, p, _ = basis(3)
    s, t = scaled(sigmas[i]), scaled(sigmas[i + 1])
    m0, _ = schedule.split(x, p, s)
    corrected = incomplete + weight * m0 if weight else x
    b = sigmas[i + 1] / sigmas[i] - 1.0  # B2(h) = exp(-h) - 1
    first = t.sigma / s.sigma * corrected - t.alpha * b * m0
    if sigmas[i + 1] == 0.0:
        return (first, np.zeros_like(x), m0), 0.0
    past, weights = np.zeros_like(x), Corrector(0.0, 0.5)
    if second:
        h, h0 = math.log(sigmas[i] / sigmas[i + 1]), math.log(sigmas[i] / sigmas[i - 1])
        past, weights = (m1 - m0) * (h / h0), corrector(h, h0 / h)
    predicted = first - t.alpha * b * 0.5 * past
    incomplete = first - t.alpha * b * (weights.past * past - weights.new * m0)
    return (predicted, incomplete, m0), -t.alpha * b * weights.new


def corrector(h: float, r: float) -> Corrector:
    """The solution of the order conditions rho_past + rho_new = b1 and r * rho_past + rho_new = b2 (step size h)."""
    b = math.expm1(-h)
    phi1 = b / -h - 1.0
    phi2 = phi1 / -h - 0.5
    b1, b2 = phi1 / b, 2.0 * phi2 / b
    past = (b1 - b2) / (1.0 - r)
    return Corrector(past, b1 - past)
