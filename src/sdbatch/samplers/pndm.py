"""PLMS: PNDM without Runge-Kutta warm-up.

Liu et al., "Pseudo Numerical Methods for Diffusion Models on Manifolds" (arXiv:2202.09778): a linear multistep
combination of predictions, then the transfer part, which equals DDIM's. The warm-up is one improved Euler step, as in
CompVis' plms.py.
"""

from __future__ import annotations

import numpy as np

from sdbatch.samplers.base import Evaluation, Sampler, Table, basis, tabulate
from sdbatch.samplers.grid import training_steps
from sdbatch.samplers.noise import NoiseSchedule

ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def pndm(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    """Four states: the latent and the last three predictions. The second timestep is used twice: N + 1 evaluations.

    A later start drops the first entries of that list, as in diffusers, so the improved Euler step spans other steps.
    """
    timesteps = training_steps(sampler, schedule, steps)
    timesteps = (timesteps[:2] + timesteps[1:])[start:]
    stride = schedule.train_steps // steps
    evaluations = [_step(schedule, e, t, stride) for e, t in enumerate(timesteps)]
    return tabulate(1.0, schedule.level(timesteps[0]), evaluations)


def _step(schedule: NoiseSchedule, e: int, t: int, stride: int) -> Evaluation:
    x, *history, p, _ = basis(4)
    origin, source, target = x, t, t - stride
    none = np.zeros_like(x)
    if e == 0:  # Euler step; the state keeps its origin
        eps, saved = p, (p, x, none)
    elif e == 1:  # repeat it from the same origin with the mean prediction of both ends
        origin, source, target = history[1], t + stride, t
        eps, saved = (p + history[0]) / 2, (history[0], none, none)
    else:
        known = [p, *history]
        eps = np.sum([c * m for c, m in zip(ADAMS_BASHFORTH[min(e, 4) - 1], known, strict=False)], axis=0)
        saved = (p, history[0], history[1])
    after = schedule.level(target)
    x0, eps = schedule.split(origin, eps, schedule.level(source))
    return Evaluation(t, 1.0, (after.alpha * x0 + after.sigma * eps, *saved), after, e == 1)
