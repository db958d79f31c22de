"""The noise schedule of the training: the noise level of every training step, and the type of the prediction.

Ho et al., "Denoising Diffusion Probabilistic Models" (arXiv:2006.11239); the cosine schedule is Nichol & Dhariwal's
(arXiv:2102.09672), v-prediction Salimans & Ho's (arXiv:2202.00512). A latent at level (alpha, sigma) is
alpha * x0 + sigma * noise. Depends neither on samplers nor on their steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

BETA_SCHEDULES = ("scaled_linear", "linear", "squaredcos_cap_v2")
PREDICTIONS = ("epsilon", "v_prediction", "sample")


class Level(NamedTuple):
    """The noise level of a latent: alpha * x0 + sigma * noise."""

    alpha: float
    sigma: float


CLEAN = Level(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """What a model's scheduler_config.json defines: a property of the weights, the same for every sampler.

    ``zero_snr``: betas are rescaled so that the last training step has no signal (Lin et al., arXiv:2305.08891,
    algorithm 1). ``guidance_rescale`` is the model's default (their eq. 16; 0: none). Raises ValueError for an unknown
    beta schedule or prediction type, and for noise predicted where there is no signal.
    """

    beta_schedule: str = "scaled_linear"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    train_steps: int = 1000
    prediction: str = "epsilon"
    steps_offset: int = 1
    set_alpha_to_one: bool = False
    zero_snr: bool = False
    guidance_rescale: float = 0.0

    def __post_init__(self) -> None:
        if self.beta_schedule not in BETA_SCHEDULES:
            raise ValueError(f"beta_schedule: {self.beta_schedule!r} is not one of {', '.join(BETA_SCHEDULES)}")
        if self.prediction not in PREDICTIONS:
            raise ValueError(f"prediction: {self.prediction!r} is not one of {', '.join(PREDICTIONS)}")
        if self.zero_snr and self.prediction == "epsilon":
            raise ValueError("rescale_betas_zero_snr: a model that predicts noise cannot begin without signal")
        if not 0 <= self.guidance_rescale <= 1:
            raise ValueError(f"guidance_rescale: {self.guidance_rescale} is out of range 0..1")

    def level(self, t: int) -> Level:
        """The level of training step t; a negative t follows the last step of a sampler."""
        if t < 0 and self.set_alpha_to_one:
            return CLEAN
        a = float(alphas_cumprod(self)[max(t, 0)])
        return Level(math.sqrt(a), math.sqrt(1.0 - a))

    def split(self, y: Array, p: Array, level: Level) -> tuple[Array, Array]:
        """(x0, noise) that prediction p implies for the denoiser's input y at `level`; all are rows of coefficients."""
        alpha, sigma = level
        if self.prediction == "epsilon":
            return (y - sigma * p) / alpha, p
        if self.prediction == "v_prediction":
            return alpha * y - sigma * p, alpha * p + sigma * y
        return p, (y - alpha * p) / sigma


def betas(schedule: NoiseSchedule) -> Array:
    """Beta, the variance that each training step adds, (train_steps,)."""
    start, end, count = schedule.beta_start, schedule.beta_end, schedule.train_steps
    if schedule.beta_schedule == "linear":
        return np.linspace(start, end, count)
    if schedule.beta_schedule == "scaled_linear":
        root: Array = np.linspace(math.sqrt(start), math.sqrt(end), count)
        return root**2
    f = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * math.pi / 2) ** 2
    capped: Array = np.minimum(1.0 - f[1:] / f[:-1], 0.999)
    return capped


@lru_cache(maxsize=32)
def alphas_cumprod(schedule: NoiseSchedule) -> Array:
    """Cumulative product of 1 - beta, (train_steps,), read-only: the signal's share of the variance per training step.

    Rounded to float32, as in diffusers: this changes sigma by 1e-5 near t = 0, which decides how some Karras timesteps
    are rounded.
    """
    product = _product((1.0 - betas(schedule)).astype(np.float32))
    if schedule.zero_snr:
        root = np.sqrt(product)
        scaled_root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
        bar = scaled_root**2
        rescaled = 1 - np.append(bar[:1], bar[1:] / bar[:-1])  # betas
        product = _product(1 - rescaled)
    found: Array = product.astype(np.float64)
    found.setflags(write=False)
    return found


def _product(alphas: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.cumprod(alphas, dtype=np.float64).astype(np.float32)


def scaled(sigma: float) -> Level:
    """The variance-preserving level (alpha² + sigma² = 1) with noise-to-signal ratio sigma, as the denoiser expects."""
    alpha = 1.0 / math.sqrt(sigma**2 + 1.0)
    return Level(alpha, sigma * alpha)
