"""What the engine does with a table, in five lines of numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sdbatch.samplers import Table
from sdbatch.samplers.noise import Array

Model = Callable[[Array, float], Array]
Run = Callable[[Table, Array, Model, Callable[[], Array]], Iterator[Array]]


@pytest.fixture(scope="session")
def run() -> Run:
    def run_table(table: Table, x: Array, model: Model, draw: Callable[[], Array]) -> Iterator[Array]:
        """Yields the latent after every evaluation."""
        state = np.stack([x, *[np.zeros_like(x)] * (table.width - 1)])
        for e in range(table.evaluations):
            prediction = model(table.input_scale[e] * state[0], float(table.timesteps[e]))
            noise = draw() if table.noisy[e] else np.zeros_like(x)
            state = np.tensordot(table.matrices[e], np.stack([*state, prediction, noise]), axes=1)
            yield state[0]

    return run_table
