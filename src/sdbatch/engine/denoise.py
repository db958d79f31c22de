"""The denoising of one shot, from noise to a latent, as a generator: yields rows, receives predictions.

    x ← σ₀·noise                                    or  αₖ·x₀ + σₖ·noise when it starts from a picture
    p ← denoiser(scale·x, t, text)                  two rows with guidance, one without; one more for every AND
    p ← p_uncond + Σ wᵢ·g·(pᵢ − p_uncond)           one part of weight 1, or the parts of a prompt with AND
    p ← φ·p·std(p_text)/std(p) + (1 − φ)·p          only with guidance rescale φ
    state ← M·(state, p, noise)                     the sampler's matrix of this evaluation
    x ← m·x + (1 − m)·(α·known + σ·noise₀)          only with a mask; an inpainting model sees it instead

All computations are in fp32 on the device. Noise comes from one CPU generator per shot: first for the initial latent,
then for each evaluation that adds noise. Does not know calls, other shots and the VAE.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

import torch

from sdbatch.engine.control import Hint, Hints
from sdbatch.engine.host import to_device
from sdbatch.samplers import Table
from sdbatch.spec.cost import controlled, guided, strength
from sdbatch.spec.jobs import Shot


class Row(NamedTuple):
    """One line of a denoiser call: ``latent`` (C, h, w) already scaled, timestep, ``text`` (tokens, width).

    ``hints``: of the lane's ControlNets, in order. ``picture``: what an inpainting model sees besides, a mask (1 where
    it paints) and the latent of what is kept.
    """

    latent: torch.Tensor
    timestep: float
    text: torch.Tensor
    hints: Hints = ()
    picture: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class InitLatent:
    """The latent (C, h, w) that a shot starts from; ``mask`` (1, h, w) is 1 where new content is generated, with
    ``blank`` from noise alone."""

    latent: torch.Tensor
    mask: torch.Tensor | None = None
    blank: bool = False

    def noised(self, noise: torch.Tensor, table: Table, whole: bool) -> torch.Tensor:
        """The first latent. ``whole``: the table is that of a picture from noise."""
        if self.mask is None or not self.blank:
            return noise * table.start_sigma + self.latent * table.start_alpha
        if whole:
            return noise * table.initial_sigma
        return noise * table.start_sigma + self.latent * table.start_alpha * (1 - self.mask)


@dataclass(frozen=True, slots=True)
class Wording:
    """The texts of a shot, each (tokens, width): ``conds[step][part]`` with ``weights[part]``, and ``unconds[step]``,
    which is empty without guidance."""

    weights: tuple[float, ...]
    conds: tuple[tuple[torch.Tensor, ...], ...]
    unconds: tuple[torch.Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """All inputs of one shot's denoising. ``shape`` is (C, h, w); ``hints`` are those of ``shot.controls``; ``picture``
    is that of all rows."""

    shot: Shot
    table: Table
    wording: Wording
    shape: tuple[int, int, int]
    known: InitLatent | None = None
    hints: tuple[Hint, ...] = ()
    picture: torch.Tensor | None = None


Steps = Generator[tuple[Row, ...], list[torch.Tensor], torch.Tensor]


class Noise:
    """The shot's noise: generated in fp32 on the CPU, so equal on all devices; slerped towards ``toward.seed``."""

    def __init__(self, shot: Shot, shape: tuple[int, int, int], device: torch.device) -> None:
        self._own = torch.Generator().manual_seed(shot.seed)
        toward = shot.toward
        self._amount = 0.0
        if toward is not None:
            self._amount = toward.amount if toward.seed_amount is None else toward.seed_amount
        self._other = torch.Generator().manual_seed(toward.seed) if toward else None
        self._shape = shape
        self._device = device

    def draw(self) -> torch.Tensor:
        """The next noise tensor, on the device."""
        noise = torch.randn(self._shape, generator=self._own)
        if self._other is not None:
            noise = slerp(noise, torch.randn(self._shape, generator=self._other), self._amount)
        return to_device(noise, self._device)


def slerp(a: torch.Tensor, b: torch.Tensor, amount: float) -> torch.Tensor:
    """Spherical interpolation (Shoemake 1985) from ``a`` (amount 0, exact) to ``b`` (amount 1, exact)."""
    if amount in (0.0, 1.0):
        return b if amount else a
    x, y = a.double().flatten(), b.double().flatten()
    cosine = float(x.dot(y) / (x.norm() * y.norm()))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if math.sin(angle) < 1e-6:
        return torch.lerp(a, b, amount)
    s = [math.sin((1 - amount) * angle) / math.sin(angle), math.sin(amount * angle) / math.sin(angle)]
    return (a.double() * s[0] + b.double() * s[1]).float()


def denoise(recipe: Recipe, device: torch.device) -> Steps:
    """Yields the rows of each evaluation, receives their predictions in fp32, returns the clean latent (C, h, w)."""
    shot, table, known = recipe.shot, recipe.table, recipe.known
    own = shot.guidance_rescale
    rescale = shot.model.schedule.guidance_rescale if own is None else own
    noise = Noise(shot, recipe.shape, device)
    first = noise.draw()
    x = first * table.initial_sigma if known is None else known.noised(first, table, strength(shot) == 1)
    state = [x] + [torch.zeros_like(x)] * (table.width - 1)
    for e in range(table.evaluations):
        predictions = yield rows(recipe, state[0], e)
        drawn = noise.draw() if table.noisy[e] else None
        prediction = guide(predictions, recipe.wording.weights, guidance(recipe, e), rescale)
        state = advance(table.matrices[e].tolist(), [*state, prediction], drawn)
        if known is not None and known.mask is not None and recipe.picture is None:
            alpha, sigma = (float(table.alphas[e]), float(table.sigmas[e])) if e + 1 < table.evaluations else (1.0, 0.0)
            kept = known.latent * alpha + first * sigma  # ddim's last level has noise left; the known part has none
            state[0] = state[0] * known.mask + kept * (1 - known.mask)
    return state[0]


def rows(recipe: Recipe, x: torch.Tensor, e: int) -> tuple[Row, ...]:
    """The rows of evaluation ``e``: (unconditional, conditional, …), or only one conditional."""
    table, wording = recipe.table, recipe.wording
    step = int(table.step[e])
    scaled = x * float(table.input_scale[e])
    timestep = float(table.timesteps[e])
    texts = wording.conds[step]
    found = [Row(scaled, timestep, text, hints(recipe, e), recipe.picture) for text in texts]
    if wording.unconds and (len(texts) > 1 or guided(recipe.shot, e, table.evaluations)):
        own = hints(recipe, e, conditional=False)
        found.insert(0, Row(scaled, timestep, wording.unconds[step], own, recipe.picture))
    return tuple(found)


def hints(recipe: Recipe, e: int, conditional: bool = True) -> Hints:
    """The hints of a row of evaluation ``e``: none outside a control's interval, and in guess mode none for the
    unconditional row."""
    count = recipe.table.evaluations
    return tuple(
        hint if controlled(control, e, count) and (conditional or not control.guess) else None
        for control, hint in zip(recipe.shot.controls, recipe.hints, strict=True)
    )


def guidance(recipe: Recipe, e: int) -> float:
    """The guidance scale of evaluation ``e``."""
    return recipe.shot.guidance if guided(recipe.shot, e, recipe.table.evaluations) else 1.0


def guide(
    predictions: list[torch.Tensor], weights: tuple[float, ...], scale: float, rescale: float = 0.0
) -> torch.Tensor:
    """Classifier-free guidance (Ho and Salimans 2022) towards several texts (composable diffusion, Liu et al. 2022).

    ``rescale``: by this share the result gets the standard deviation that it has without guidance (Lin et al.). A
    single prediction is returned unchanged.
    """
    if len(predictions) == 1:
        return predictions[0]
    uncond, *conds = predictions
    total = uncond
    for cond, weight in zip(conds, weights, strict=True):
        total = total + (cond - uncond) * (weight * scale)
    if not rescale:
        return total
    text = conds[0] if weights == (1.0,) else guide(predictions, weights, 1.0)
    return total * (text.std() / total.std() * rescale + (1 - rescale))


def advance(matrix: list[list[float]], tensors: list[torch.Tensor], noise: torch.Tensor | None) -> list[torch.Tensor]:
    """The next state: one weighted sum of (state, prediction, noise) per matrix row, in column order."""
    columns = tensors if noise is None else [*tensors, noise]
    return [weighted_sum(row, columns) for row in matrix]


def weighted_sum(weights: list[float], tensors: list[torch.Tensor]) -> torch.Tensor:
    """Σ wᵢ·tᵢ, skipping terms of weight 0."""
    total: torch.Tensor | None = None
    for w, tensor in zip(weights, tensors, strict=False):
        if w != 0.0:
            total = tensor * w if total is None else torch.add(total, tensor, alpha=w)
    return torch.zeros_like(tensors[0]) if total is None else total
