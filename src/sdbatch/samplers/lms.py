"""Linear multistep (Adams-Bashforth with variable step size), as in k-diffusion's sample_lms.

The slope d = dx / dsigma is the predicted noise. The polynomial through its last four values is integrated exactly: its
degree is at most three, for which Gauss-Legendre quadrature needs two points.
"""

from __future__ import annotations

import math

import numpy as np

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, tabulate
from sdbatch.samplers.grid import grid_with_last_step, initial_sigma
from sdbatch.samplers.noise import Array, Level, NoiseSchedule, scaled

ORDER = 4


def lms(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """Four states: the latent and the last three slopes.

    The order depends on the step of the whole schedule, as in diffusers: after a later start the history is zeros.
    """
    timesteps, sigmas = grid_with_last_step(sampler, schedule, steps)
    x, *history, p, _ = basis(ORDER)

    def evaluate(i: int) -> Evaluation:
        level = scaled(sigmas[i])
        _, d = schedule.split(level.alpha * x, p, level)
        slopes = [d, *history]
        weights = coefficients(sigmas[max(i - ORDER + 1, 0) : i + 1][::-1], sigmas[i + 1])
        x_next = x + sum(c * slope for c, slope in zip(weights, slopes, strict=False))
        return Evaluation(timesteps[i], level.alpha, (x_next, *slopes[:-1]), Level(1.0, sigmas[i + 1]))

    return tabulate(
        initial_sigma(sampler, sigmas), Level(1.0, sigmas[start]), [evaluate(i) for i in range(start, steps)]
    )


def coefficients(nodes: Array, target: float) -> list[float]:
    """The integral from nodes[0] to target of each Lagrange polynomial over nodes (newest first)."""
    half = (target - nodes[0]) / 2
    tau = nodes[0] + half * (1.0 + np.array([[-1.0], [1.0]]) / math.sqrt(3.0))
    weights = []
    for j, node in enumerate(nodes):
        others = np.delete(nodes, j)
        weights.append(float(half * np.prod((tau - others) / (node - others), axis=1).sum()))
    return weights
