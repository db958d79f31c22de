"""Every sampler against its scheduler class in diffusers: whole trajectories, each running on its own states."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import PNDMScheduler

from sdbatch.samplers import SAMPLERS, NoiseSchedule, Sampler, table
from sdbatch.samplers.noise import Array
from tests.samplers.reference import SCHEDULERS, SD15

Run = Callable[..., Iterator[Array]]

# diffusers calls np.array(tensor), which numpy 2.4 deprecates; warnings of sdbatch are not silenced.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Error = Callable[..., float]

TOLERANCE = 1e-5
SHAPE = (1, 4, 4, 4)
STEPS = (1, 2, 3, 5, 8, 20, 50)
LATER = [(n, n - int(n * strength)) for n in STEPS for strength in (0.3, 0.75) if int(n * strength)]  # as img2img
CLASSES: dict[str, Any] = {name: getattr(diffusers, kind) for name, (kind, _) in SCHEDULERS.items()}
ASKED = {name: settings for name, (_, settings) in SCHEDULERS.items()}
PLAIN: dict[str, dict[str, Any]] = {name: {"use_karras_sigmas": False} for name in ASKED if "karras" in name}
KARRAS = [name for name in SAMPLERS if "use_karras_sigmas" in inspect.signature(CLASSES[name]).parameters]
ZERO_SNR = [n for n in SAMPLERS if "rescale_betas_zero_snr" in inspect.signature(CLASSES[n]).parameters and n != "lcm"]


def model(y: Array, t: float) -> Array:
    """Deterministic, nonlinear, sensitive to the timestep, and about as large as noise."""
    mix = np.random.default_rng(0).normal(size=(4, 4))
    prediction: Array = 0.8 * y + 0.3 * np.tanh(np.einsum("ij,bjhw->bihw", mix, y) + np.cos(t / 150.0))
    return prediction


def reference(name: str, steps: int, start: int, **settings: Any) -> Iterator[Array]:
    """diffusers' trajectory in float32, as its text-to-image and image-to-image pipelines run it."""
    eta = {"eta": settings.pop("eta")} if "eta" in settings else {}
    scheduler = CLASSES[name].from_config(PNDMScheduler.from_config(SD15).config, **ASKED[name] | settings)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(7)
    drawing = {"generator": generator} if "generator" in scheduler.step.__annotations__ else {}
    timesteps = scheduler.timesteps[start * scheduler.order :]
    x = torch.randn(SHAPE, generator=generator)
    if start:
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(start * scheduler.order)
        x = scheduler.add_noise(picture(), x, timesteps[:1])
    else:
        x = x * scheduler.init_noise_sigma
    for t in timesteps:
        y = scheduler.scale_model_input(x, t)
        prediction = torch.from_numpy(model(y.double().numpy(), float(t))).float()
        x = scheduler.step(prediction, t, x, **drawing, **eta).prev_sample
        yield x.double().numpy()


def picture() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(8))


@pytest.fixture
def error(run: Run) -> Error:
    """Measures the largest relative distance between the trajectories after any evaluation."""

    def measure(name: str, sampler: Sampler, prediction: str, steps: int, start: int = 0, **settings: Any) -> float:
        beta_schedule = settings.get("beta_schedule", SD15["beta_schedule"])
        zero_snr = settings.get("rescale_betas_zero_snr", False)
        schedule = NoiseSchedule(prediction=prediction, beta_schedule=beta_schedule, zero_snr=zero_snr)
        ours = table(sampler, schedule, steps, start)
        generator = torch.Generator().manual_seed(7)

        def draw() -> Array:
            return torch.randn(SHAPE, generator=generator).double().numpy()

        x = draw()
        x = ours.start_alpha * picture().double().numpy() + ours.start_sigma * x if start else ours.initial_sigma * x
        theirs = reference(name, steps, start, prediction_type=prediction, **settings)
        pairs = zip(run(ours, x, model, draw), theirs, strict=True)
        return max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs)

    return measure


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_equals_diffusers(error: Error, name: str, prediction: str, steps: int) -> None:
    assert error(name, SAMPLERS[name], prediction, steps) <= TOLERANCE


@pytest.mark.parametrize(("steps", "start"), LATER)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_equals_diffusers_from_a_later_step(error: Error, name: str, prediction: str, steps: int, start: int) -> None:
    assert error(name, SAMPLERS[name], prediction, steps, start) <= TOLERANCE


@pytest.mark.parametrize("strength", [1.0, 0.75])
@pytest.mark.parametrize("steps", [5, 8, 18, 20, 50])  # 18: a Karras timestep within 1e-4 of a rounding edge
@pytest.mark.parametrize("karras", [False, True])
@pytest.mark.parametrize("name", KARRAS)
def test_equals_diffusers_with_and_without_karras(
    error: Error, name: str, karras: bool, steps: int, strength: float
) -> None:
    sampler = dataclasses.replace(SAMPLERS[name], karras=karras)
    start = steps - int(steps * strength)
    assert error(name, sampler, "epsilon", steps, start, use_karras_sigmas=karras) <= TOLERANCE


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 20])
@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "lcm"])
def test_equals_diffusers_with_any_spacing(error: Error, name: str, spacing: str, steps: int) -> None:
    sampler = dataclasses.replace(SAMPLERS[name], spacing=spacing)
    assert error(name, sampler, "v_prediction", steps, timestep_spacing=spacing) <= TOLERANCE


@pytest.mark.parametrize("beta_schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_equals_diffusers_on_other_noise(error: Error, name: str, beta_schedule: str) -> None:
    """From step 2: the cosine schedule begins at sigma = 20,000, where float32 keeps only three digits of x0."""
    sampler = dataclasses.replace(SAMPLERS[name], karras=False)  # cosine and Karras: diffusers' DPM++ itself fails
    assert error(name, sampler, "epsilon", 20, 2, beta_schedule=beta_schedule, **PLAIN.get(name, {})) <= TOLERANCE


@pytest.mark.parametrize("start", [0, 5])
@pytest.mark.parametrize("spacing", ["linspace", "trailing"])
@pytest.mark.parametrize("name", ZERO_SNR)
def test_equals_diffusers_with_zero_terminal_snr(error: Error, name: str, spacing: str, start: int) -> None:
    sampler = dataclasses.replace(SAMPLERS[name], spacing=spacing)
    asked = {"rescale_betas_zero_snr": True, "timestep_spacing": spacing}
    assert error(name, sampler, "v_prediction", 20, start, **asked) <= TOLERANCE


@pytest.mark.parametrize("steps", [1, 5, 20])
@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_ddim_with_fresh_noise_equals_diffusers(error: Error, eta: float, steps: int) -> None:
    sampler = dataclasses.replace(SAMPLERS["ddim"], eta=eta)
    assert error("ddim", sampler, "epsilon", steps, eta=eta) <= TOLERANCE


@pytest.mark.parametrize("name", [n for n in SAMPLERS if n not in ("euler_a", "pndm")])  # diffusers refuses these two
def test_equals_diffusers_predicting_the_picture(error: Error, name: str) -> None:
    assert error(name, SAMPLERS[name], "sample", 8) <= TOLERANCE


@pytest.mark.parametrize("name", SAMPLERS)
def test_timesteps_equal_diffusers(name: str) -> None:
    scheduler = CLASSES[name].from_config(PNDMScheduler.from_config(SD15).config, **ASKED[name])
    for steps in range(1, 51):
        scheduler.set_timesteps(steps)
        ours = table(SAMPLERS[name], NoiseSchedule(), steps)
        np.testing.assert_allclose(ours.timesteps, scheduler.timesteps.numpy(), atol=1e-4)
