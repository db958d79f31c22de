"""A sampler is a table: per evaluation of the denoiser, the matrix that makes the next state.

Every sampler here is linear in (state, prediction, noise), so its update rule is written once, on the unit vectors of
that space: `x, p, z = basis(1)` and `x + d * dt` is a row of the matrix. Knows neither torch nor any sampler.
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
    """One run of a sampler: E evaluations on a state of S tensors, of which the first is the latent. Read-only.

    next state = matrices[e] @ [state 0 ... state S-1, prediction, noise]; the other tensors start as zeros.
    """

    initial_sigma: float  # from nothing: x = initial_sigma * noise
    start_alpha: float  # from a picture: x = start_alpha * x0 + start_sigma * noise
    start_sigma: float
    timesteps: Array  # (E,), may be fractional
    input_scale: Array  # (E,), the denoiser sees input_scale * state 0
    matrices: Array  # (E, S, S + 2)
    alphas: Array  # (E,), after evaluation e state 0 stands at alphas[e] * x0 + sigmas[e] * noise
    sigmas: Array  # (E,)
    noisy: NDArray[np.bool_]  # (E,), whether evaluation e draws noise

    @property
    def evaluations(self) -> int:
        return len(self.matrices)

    @property
    def width(self) -> int:
        return len(self.matrices[0])


class Evaluation(NamedTuple):
    """One call of the denoiser: where, what it makes of the state, and the level it aims at."""

    timestep: float
    input_scale: float
    state: tuple[Array, ...]
    after: Level


def basis(width: int) -> list[Array]:
    """Unit vectors of (state 0 ... state width-1, prediction, noise): linear combinations of them are matrix rows."""
    return list(np.eye(width + 2))


def tabulate(initial_sigma: float, start: Level, evaluations: Iterable[Evaluation]) -> Table:
    """Stacks evaluations into a table."""
    timesteps, scales, states, levels = zip(*evaluations, strict=True)
    matrices = frozen(states)
    after = np.array(levels)
    noisy: NDArray[np.bool_] = np.any(matrices[:, :, -1], axis=1)
    noisy.setflags(write=False)
    return Table(
        initial_sigma=float(initial_sigma),
        start_alpha=float(start.alpha),
        start_sigma=float(start.sigma),
        timesteps=frozen(timesteps),
        input_scale=frozen(scales),
        matrices=matrices,
        alphas=frozen(after[:, 0]),
        sigmas=frozen(after[:, 1]),
        noisy=noisy,
    )


def frozen(values: object) -> Array:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def out_of_range(name: str, value: int, low: int, high: int) -> ValueError:
    return ValueError(f"{name}: {value} is out of range {low}..{high}")
