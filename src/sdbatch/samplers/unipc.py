"""UniPC of order 2, B2(h), predicting the picture.

Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models"
(arXiv:2302.04867). Each evaluation first corrects the step that led to it (UniC), then predicts the next one (UniP);
all of a correction but its last term is known one evaluation before, and waits in the state.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, tabulate
from sdbatch.samplers.grid import half_open
from sdbatch.samplers.noise import Array, NoiseSchedule, scaled


class Corrector(NamedTuple):
    """Weights of B(h) * (m_past - m0) / r and B(h) * (m_new - m0) in a corrected step."""

    past: float
    new: float


def unipc(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """Three states: the predicted latent, its unfinished correction, the last predicted picture."""
    timesteps, sigmas = half_open(sampler, schedule, steps)
    evaluations = []
    finish = 0.0  # weight of this evaluation's picture in the correction of the step that led to it
    for i in range(start, steps):
        state, finish = _step(schedule, sigmas, i, finish, second=start < i < steps - 1)
        evaluations.append(Evaluation(timesteps[i], 1.0, state, scaled(sigmas[i + 1])))
    return tabulate(1.0, scaled(sigmas[start]), evaluations)


def _step(
    schedule: NoiseSchedule, sigmas: Array, i: int, finish: float, *, second: bool
) -> tuple[tuple[Array, Array, Array], float]:
    """The next state, and the weight with which the next picture will finish the correction."""
    x, unfinished, m1, p, _ = basis(3)
    s, t = scaled(sigmas[i]), scaled(sigmas[i + 1])
    m0, _ = schedule.split(x, p, s)
    corrected = unfinished + finish * m0 if finish else x
    b = sigmas[i + 1] / sigmas[i] - 1.0  # B2(h) = exp(-h) - 1
    first = t.sigma / s.sigma * corrected - t.alpha * b * m0
    if sigmas[i + 1] == 0.0:
        return (first, np.zeros_like(x), m0), 0.0
    past, weights = np.zeros_like(x), Corrector(0.0, 0.5)
    if second:
        h, h0 = math.log(sigmas[i] / sigmas[i + 1]), math.log(sigmas[i] / sigmas[i - 1])
        past, weights = (m1 - m0) * (h / h0), corrector(h, h0 / h)
    predicted = first - t.alpha * b * 0.5 * past
    unfinished = first - t.alpha * b * (weights.past * past - weights.new * m0)
    return (predicted, unfinished, m0), -t.alpha * b * weights.new


def corrector(h: float, r: float) -> Corrector:
    """The order conditions of the last two pictures: rho_past + rho_new = b1, r * rho_past + rho_new = b2."""
    b = math.expm1(-h)
    phi1 = b / -h - 1.0
    phi2 = phi1 / -h - 0.5
    b1, b2 = phi1 / b, 2.0 * phi2 / b
    past = (b1 - b2) / (1.0 - r)
    return Corrector(past, b1 - past)
