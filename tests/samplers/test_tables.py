"""What a table promises to the engine, for every sampler in the registry."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch.samplers import FAMILIES, SAMPLERS, NoiseSchedule, Sampler, Table, alphas_cumprod, table
from sdbatch.samplers.noise import Array

Run = Callable[..., Iterator[Array]]

EPSILON = NoiseSchedule()
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
LCM_STEPS = 50
ARRAYS = ["timesteps", "input_scale", "matrices", "alphas", "sigmas", "noisy"]


class Case(NamedTuple):
    name: str
    start: int
    table: Table


@st.composite
def cases(draw: st.DrawFn) -> Case:
    name = draw(st.sampled_from(sorted(SAMPLERS)))
    steps = draw(st.integers(1, LCM_STEPS if name == "lcm" else 120))
    start = draw(st.integers(0, steps - 1))
    schedule = NoiseSchedule(
        beta_schedule=draw(st.sampled_from(["scaled_linear", "linear"])),
        prediction=draw(st.sampled_from(PREDICTIONS)),
        steps_offset=draw(st.integers(0, 1)),
        set_alpha_to_one=draw(st.booleans()),
    )
    return Case(name, start, table(SAMPLERS[name], schedule, steps, start))


class Oracle:
    """Knows the picture. Tensors are vectors over (x0, the first noise, every later noise)."""

    def __init__(self, ran: Table, prediction: str) -> None:
        axes = np.eye(ran.evaluations + 2)
        self.x0, self.noise, self.fresh = axes[0], axes[1], iter(axes[2:])
        levels = zip([ran.start_alpha, *ran.alphas], [ran.start_sigma, *ran.sigmas], strict=True)
        self.seen = iter([(scale * a, scale * s) for scale, (a, s) in zip(ran.input_scale, levels, strict=False)])
        self.prediction = prediction

    def predict(self, y: Array, _: float) -> Any:
        alpha, sigma = next(self.seen)
        eps = (y - alpha * self.x0) / sigma
        return {"epsilon": eps, "v_prediction": alpha * eps - sigma * self.x0, "sample": self.x0}[self.prediction]


def exact() -> Iterator[tuple[str, str, int]]:
    """Every (sampler, prediction, first step) but those where diffusers, whose tables these are, is not exact itself:
    lms begins a later step with slopes of zero, pndm in mid-method, and pndm averages velocities of different levels.
    """
    for name, prediction, start in product(SAMPLERS, PREDICTIONS, [0, 4]):
        late = start > 0 and name in {"lms", "pndm"}
        if not late and (name, prediction) != ("pndm", "v_prediction"):
            yield name, prediction, start


@pytest.mark.parametrize(("name", "prediction", "start"), [*exact()])
def test_levels_are_true_for_an_exact_predictor(run: Run, name: str, prediction: str, start: int) -> None:
    """After every evaluation the latent is alphas * x0 + sigmas * (noise of variance 1): what a mask re-noises to."""
    ran = table(SAMPLERS[name], NoiseSchedule(prediction=prediction), 12, start)
    oracle = Oracle(ran, prediction)
    x = ran.start_alpha * oracle.x0 + ran.start_sigma * oracle.noise
    states = list(run(ran, x, oracle.predict, lambda: next(oracle.fresh)))
    tolerance = 1e-5 if name == "lcm" else 1e-9  # its boundary condition keeps a trace of the latent
    np.testing.assert_allclose([s[0] for s in states], ran.alphas, atol=tolerance)
    np.testing.assert_allclose([np.linalg.norm(s[1:]) for s in states], ran.sigmas, atol=tolerance)
    if not ran.noisy.any():
        np.testing.assert_allclose([s[1] for s in states], ran.sigmas, atol=tolerance)


@given(cases())
def test_shapes_and_ranges(case: Case) -> None:
    ran = case.table
    e, s = ran.evaluations, ran.width
    assert ran.matrices.shape == (e, s, s + 2)
    assert {getattr(ran, field).shape for field in ARRAYS if field != "matrices"} == {(e,)}
    assert 1 <= s <= 4
    assert np.isfinite(ran.matrices).all()
    assert ((ran.timesteps >= 0) & (ran.timesteps < 1000)).all()
    assert (np.diff(ran.timesteps) <= 0).all()
    assert ((ran.input_scale > 0) & (ran.input_scale <= 1)).all()
    assert min(ran.start_alpha, ran.start_sigma, ran.initial_sigma) > 0
    assert (ran.noisy == ran.matrices[:, :, -1].any(axis=1)).all()
    if case.name != "pndm" or not case.start:
        assert (np.diff(ran.sigmas / ran.alphas) <= 0).all()


@given(cases(), st.floats(-3, 3), st.floats(-3, 3))
def test_linear_in_everything_it_is_given(run: Run, case: Case, a: float, b: float) -> None:
    ran = case.table
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3))
    p, q = rng.normal(size=(2, ran.evaluations, 3))
    z, w = rng.normal(size=(2, ran.evaluations, 3))

    def final(x: Array, predictions: Array, noises: Array) -> Array:
        prediction, noise = iter(predictions), iter(noises)
        *_, last = run(ran, x, lambda *_: next(prediction), lambda: next(noise))
        return last

    combined = final(a * x + b * y, a * p + b * q, a * z + b * w)
    apart = a * final(x, p, z) + b * final(y, q, w)
    np.testing.assert_allclose(combined, apart, rtol=1e-6, atol=1e-6 * max(1.0, float(np.abs(apart).max())))


@pytest.mark.parametrize("prediction", ["v_prediction", "sample"])
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "pndm"])  # averages raw predictions
def test_what_is_predicted_does_not_matter(run: Run, name: str, prediction: str) -> None:
    """The same network, asked for noise or for something else, walks the same way."""
    plain, other = (table(SAMPLERS[name], NoiseSchedule(prediction=kind), 9) for kind in ("epsilon", prediction))
    levels = {}
    for t, before in zip(plain.timesteps, [(0, 0), *zip(plain.alphas, plain.sigmas, strict=True)], strict=False):
        levels[float(t)] = before if before[1] else (plain.start_alpha, plain.start_sigma)
    scales = dict(zip(plain.timesteps, plain.input_scale, strict=True))

    def noise(y: Array, t: float) -> Array:
        eps: Array = np.tanh(y + np.cos(t / 100.0))
        return eps

    def same(y: Array, t: float) -> Any:
        alpha, sigma = scales[t] * levels[t][0], scales[t] * levels[t][1]
        eps = noise(y, t)
        x0 = (y - sigma * eps) / alpha
        return alpha * eps - sigma * x0 if prediction == "v_prediction" else x0

    x = np.random.default_rng(1).normal(size=8) * plain.initial_sigma
    one, two = (list(run(ran, x, fn, lambda: np.ones(8))) for ran, fn in ((plain, noise), (other, same)))
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SAMPLERS)
def test_pure_and_read_only(name: str) -> None:
    sampler = SAMPLERS[name]
    one, two = (FAMILIES[sampler.kind](sampler, EPSILON, 7, 2) for _ in range(2))
    for field in ARRAYS:
        array = getattr(one, field)
        np.testing.assert_array_equal(array, getattr(two, field))
        assert not array.flags.writeable
        assert array.dtype == (np.bool_ if field == "noisy" else np.float64)
    assert not alphas_cumprod(EPSILON).flags.writeable
    assert table(sampler, EPSILON, 7, 2) is table(sampler, EPSILON, 7, 2)


@pytest.mark.parametrize(
    ("steps", "start", "message"),
    [
        (0, 0, r"steps: 0 is out of range 1\.\.1000"),
        (-3, 0, r"steps: -3 is out of range 1\.\.1000"),
        (1001, 0, r"steps: 1001 is out of range 1\.\.1000"),
        (8, 8, r"start: 8 is out of range 0\.\.7"),
        (8, -1, r"start: -1 is out of range 0\.\.7"),
    ],
)
@pytest.mark.parametrize("name", SAMPLERS)
def test_refuses_what_is_out_of_range(name: str, steps: int, start: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table(SAMPLERS[name], EPSILON, steps, start)


@pytest.mark.parametrize("name", SAMPLERS)
def test_as_many_steps_as_were_trained(name: str) -> None:
    """Up to the last step count that gives distinct training steps; one more is refused, never clamped."""
    limit = {"ddim": 999, "pndm": 999, "dpmpp_2m": 999, "dpmpp_2m_sde": 999, "unipc": 999, "lcm": LCM_STEPS}.get(
        name, 1000
    )
    assert np.isfinite(table(SAMPLERS[name], EPSILON, limit).matrices).all()
    with pytest.raises(ValueError, match=rf"steps: {limit + 1} is out of range 1\.\.{limit}$"):
        table(SAMPLERS[name], EPSILON, limit + 1)


def test_refuses_unknown_words() -> None:
    with pytest.raises(ValueError, match="sampler: 'plms' is not one of ddim, dpmpp"):
        table(Sampler("plms"), EPSILON, 5)
    with pytest.raises(ValueError, match="spacing: 'even' is not one of leading, linspace, trailing"):
        Sampler("ddim", spacing="even")
    with pytest.raises(ValueError, match="beta_schedule: 'quad' is not one of"):
        NoiseSchedule(beta_schedule="quad")
    with pytest.raises(ValueError, match="prediction: 'flow' is not one of"):
        NoiseSchedule(prediction="flow")


@pytest.mark.parametrize("name", ["ddim", "pndm", "lcm"])
def test_refuses_a_karras_spacing_that_the_sampler_has_not(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has no Karras schedule"):
        table(dataclasses.replace(SAMPLERS[name], karras=True), EPSILON, 5)


def test_registry_is_literal_and_distinct() -> None:
    entries = [json.dumps(dataclasses.asdict(sampler), sort_keys=True) for sampler in SAMPLERS.values()]
    assert len(set(entries)) == len(SAMPLERS)
    assert {sampler.kind for sampler in SAMPLERS.values()} == set(FAMILIES)


def test_evaluations_and_widths() -> None:
    got = {name: (t.evaluations, t.width) for name in SAMPLERS for t in [table(SAMPLERS[name], EPSILON, 20)]}
    expected = dict.fromkeys(SAMPLERS, (20, 1)) | {"heun": (39, 2), "pndm": (21, 4), "lms": (20, 4), "unipc": (20, 3)}
    assert got == expected | {name: (20, 2) for name in SAMPLERS if name.startswith("dpmpp")}


def test_multistep_restart_is_not_a_slice() -> None:
    for name in ("dpmpp_2m", "unipc"):
        full, part = (table(SAMPLERS[name], EPSILON, 10, start) for start in (0, 4))
        np.testing.assert_array_equal(part.timesteps, full.timesteps[4:])
        assert not np.allclose(part.matrices[0], full.matrices[4])


def test_initial_noise_with_leading_spacing_counts_the_picture() -> None:
    euler = dataclasses.replace(SAMPLERS["euler"], spacing="leading")
    assert table(euler, EPSILON, 20).initial_sigma == pytest.approx(11.07, abs=0.01)


def test_the_evaluations_of_a_step_are_counted_once() -> None:
    """Texts that change do so by the step."""
    found = {name: table(sampler, EPSILON, 4) for name, sampler in SAMPLERS.items()}
    expected = {name: [0, 1, 2, 3] for name in SAMPLERS} | {"heun": [0, 0, 1, 1, 2, 2, 3], "pndm": [0, 0, 1, 2, 3]}
    assert {name: one.step.tolist() for name, one in found.items()} == expected
    assert {one.steps for one in found.values()} == {4}
    assert table(SAMPLERS["heun"], EPSILON, 10, 7).step.tolist() == [0, 0, 1, 1, 2]
