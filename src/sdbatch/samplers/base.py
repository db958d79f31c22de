"""A sampler is a table: for each evaluation of the denoiser, the matrix that computes the next state.

Every sampler here is linear in (state, prediction, noise), so its update rule is written once, on the unit vectors of
that space: after `x, p, z = basis(1)`, `x + d * dt` is a row of the matrix. Depends neither on torch nor on a sampler.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdbatch.samplers.noise import Array, Level

SPACINGS = ("leading", "linspace", "trailing")


@dataclass(frozen=True, slots=True)
class Sampler:
    """A registry entry: literal parameters only, hashed into job ids. ``infotext`` is AUTOMATIC1111's name of it, which
    decides nothing and is in no id."""

    kind: str
    karras: bool = False
    spacing: str = "linspace"
    eta: float = 0.0  # fresh noise: 0 follows the ODE, 1 the SDE (euler: ancestral; ddim: DDPM)
    infotext: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.spacing not in SPACINGS:
            raise ValueError(f"spacing: {self.spacing!r} is not one of {', '.join(SPACINGS)}")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One run of a sampler: E evaluations on a state of S tensors. Arrays are read-only.

    State 0 is the latent; the other tensors start as zeros.
    next state = matrices[e] @ [state 0 ... state S-1, prediction, noise]
    """

    initial_sigma: float  # text to image: x = initial_sigma * noise
    start_alpha: float  # image to image: x = start_alpha * x0 + start_sigma * noise
    start_sigma: float
    timesteps: Array  # (E,), may be fractional
    input_scale: Array  # (E,), the denoiser's input is input_scale * state 0
    matrices: Array  # (E, S, S + 2)
    alphas: Array  # (E,), after evaluation e state 0 is alphas[e] * x0 + sigmas[e] * noise
    sigmas: Array  # (E,)
    noisy: NDArray[np.bool_]  # (E,), whether evaluation e adds fresh noise
    step: NDArray[np.int64]  # (E,), the step that evaluation e belongs to, from 0

    @property
    def evaluations(self) -> int:
        """E, the number of denoiser evaluations."""
        return len(self.matrices)

    @property
    def steps(self) -> int:
        """The number of steps, at most E."""
        return int(self.step[-1]) + 1

    @property
    def width(self) -> int:
        """S, the number of tensors in the state."""
        return len(self.matrices[0])


class Evaluation(NamedTuple):
    """One call of the denoiser, and the state after it."""

    timestep: float
    input_scale: float
    state: tuple[Array, ...]  # S rows of coefficients, (S + 2,) each
    after: Level  # the noise level of the next latent
    corrects: bool = False  # it belongs to the step of the evaluation before it


def basis(width: int) -> list[Array]:
    """The `width` + 2 unit vectors of (state 0 ... state width-1, prediction, noise), for building matrix rows."""
    return list(np.eye(width + 2))


def tabulate(initial_sigma: float, start: Level, evaluations: Iterable[Evaluation]) -> Table:
    """Stack `evaluations` (at least one) into a table; `start` is the noise level of an init image."""
    timesteps, scales, states, levels, corrects = zip(*evaluations, strict=True)
    matrices = read_only(states)
    after = np.array(levels)
    noisy: NDArray[np.bool_] = np.any(matrices[:, :, -1], axis=1)
    noisy.setflags(write=False)
    step: NDArray[np.int64] = np.cumsum(~np.array(corrects)) - 1
    step.setflags(write=False)
    return Table(
        initial_sigma=float(initial_sigma),
        start_alpha=float(start.alpha),
        start_sigma=float(start.sigma),
        timesteps=read_only(timesteps),
        input_scale=read_only(scales),
        matrices=matrices,
        alphas=read_only(after[:, 0]),
        sigmas=read_only(after[:, 1]),
        noisy=noisy,
        step=step,
    )


def read_only(values: object) -> Array:
    """A read-only float64 copy of `values`."""
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def out_of_range(name: str, value: int, low: int, high: int) -> ValueError:
    """The error for a parameter `name` outside low..high (inclusive)."""
    return ValueError(f"{name}: {value} is out of range {low}..{high}")
