"""The parts that both trainings share: schedule, moving average, checkpoints in safetensors, a resumable loop."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from training.muon import Muon

# The mean loss of one part of the batch of a step: (module, step, part, parts).
LossAt = Callable[[torch.nn.Module, int, int, int], torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a network is fitted."""

    steps: int
    rate: float
    batch: int
    seed: int = 0
    warm_up: int = 150
    final: float = 0.02
    decay: float = 0.01
    average: float = 0.999
    clip: float = 1.0
    keep_every: int = 500
    hold: float = 0.0
    optimizer: str = "adamw"


def pick_device(name: str = "auto") -> torch.device:
    """The device to train on: CUDA where there is one, otherwise the processor."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, the full rate for the share `hold` of the steps, then a half cosine down to `final` of it."""
    if step < recipe.warm_up:
        return recipe.rate * (step + 1) / recipe.warm_up
    start = max(recipe.warm_up, recipe.hold * recipe.steps)
    done = min(1.0, max(0.0, step - start) / max(1, recipe.steps - start))
    return recipe.rate * (recipe.final + (1 - recipe.final) * 0.5 * (1 + math.cos(math.pi * done)))


def twin(module: torch.nn.Module) -> torch.nn.Module:
    """A copy that shares the storage of the weights but has gradients of its own."""
    other = copy.deepcopy(module)
    for mine, its in zip(module.parameters(), other.parameters(), strict=True):
        its.data = mine.data
    return other


class Fit:
    """A module with its optimizer, its moving average and its place in the recipe.

    With `parts` above one, every batch is divided between threads, each with a twin that shares the weights: on a
    processor with few cores that beats threads inside the operations by far, above all when the machine is busy.
    """

    def __init__(self, module: torch.nn.Module, recipe: Recipe, parts: int = 1) -> None:
        self.module = module
        self.recipe = recipe
        self.step = 0
        self.seconds = 0.0
        self.names = [name for name, p in module.named_parameters() if p.requires_grad]
        self.weights = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = self._optimizer(recipe)
        self.mean = [p.detach().clone() for p in self.weights]

        self.replicas = [module, *(twin(module) for _ in range(parts - 1))]
        self.pool = ThreadPoolExecutor(max_workers=parts)

    def _optimizer(self, recipe: Recipe) -> torch.optim.Optimizer:
        if recipe.optimizer == "muon":
            return Muon(zip(self.names, self.weights, strict=True), lr=recipe.rate, weight_decay=recipe.decay)
        return torch.optim.AdamW(self.weights, lr=recipe.rate, weight_decay=recipe.decay, betas=(0.9, 0.99))

    def gradient(self, loss_at: LossAt) -> float:
        """The gradient of the mean of the parts' losses, each part computed by its own thread; returns that mean."""

        def work(part: int) -> float:
            replica = self.replicas[part]
            replica.zero_grad(set_to_none=True)
            loss = loss_at(replica, self.step, part, len(self.replicas)) / len(self.replicas)
            loss.backward()
            return float(loss.detach())

        total = sum(self.pool.map(work, range(len(self.replicas))))
        for replica in self.replicas[1:]:
            for mine, other in zip(self.weights, (p for p in replica.parameters() if p.requires_grad), strict=True):
                if mine.grad is not None and other.grad is not None:
                    mine.grad.add_(other.grad)
        return total

    def update(self, loss_at: LossAt) -> float:
        """One step down the gradient; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step)
        loss = self.gradient(loss_at)
        torch.nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        self.optimizer.step()
        share = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, list[torch.Tensor](self.weights), 1 - share)
        self.step += 1
        return loss

    def load_mean(self, module: torch.nn.Module) -> None:
        """Write the moving average into another module of the same kind."""
        target = dict(module.named_parameters())
        with torch.no_grad():
            for name, value in zip(self.names, self.mean, strict=True):
                target[name].copy_(value)

    def save(self, path: Path) -> None:
        """Write everything that is needed to resume, in one safetensors file, atomically."""
        flat: dict[str, torch.Tensor] = {}
        for name, weight, mean in zip(self.names, self.weights, self.mean, strict=True):
            flat[f"weight/{name}"], flat[f"mean/{name}"] = weight.detach(), mean
            for key, value in self.optimizer.state.get(weight, {}).items():
                flat[f"{key}/{name}"] = value
        flat = {k: v.detach().cpu().contiguous().clone() for k, v in flat.items()}
        note = {"step": str(self.step), "seconds": f"{self.seconds:.1f}", "recipe": json.dumps(asdict(self.recipe))}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        save_file(flat, str(partial), metadata=note)
        partial.replace(path)

    def load(self, path: Path) -> bool:
        """Go on from a checkpoint, if there is one."""
        if not path.exists():
            return False
        with safe_open(str(path), framework="pt") as file, torch.no_grad():
            note, keys = file.metadata(), set(file.keys())
            for i, (name, weight) in enumerate(zip(self.names, self.weights, strict=True)):
                weight.copy_(file.get_tensor(f"weight/{name}"))
                self.mean[i].copy_(file.get_tensor(f"mean/{name}"))
                if f"exp_avg/{name}" in keys:
                    kept = [k for k in ("step", "exp_avg", "exp_avg_sq") if f"{k}/{name}" in keys]
                    state = {k: file.get_tensor(f"{k}/{name}") for k in kept}
                    for key in state.keys() - {"step"}:
                        state[key] = torch.empty_like(weight).copy_(state[key])
                    self.optimizer.state[weight] = state
        self.step, self.seconds = int(note["step"]), float(note["seconds"])
        return True


def mean_of(path: Path) -> dict[str, torch.Tensor]:
    """The moving average stored in a checkpoint."""
    with safe_open(str(path), framework="pt") as file:
        return {key[5:]: file.get_tensor(key) for key in file.keys() if key.startswith("mean/")}  # noqa: SIM118


def run(
    fit: Fit,
    path: Path,
    loss_at: LossAt,
    *,
    check: Callable[[], str] | None = None,
    check_every: int = 500,
    stop: Callable[[], bool] = lambda: False,
    budget: float | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Fit until the recipe's last step; `loss_at` depends on nothing but its arguments.

    Where `stop` says so before that, the checkpoint is written and the function returns. With a `budget` in seconds
    (of all runs together) the number of steps is planned again from the speed measured during the first ones.
    """
    recipe, start, total, count = fit.recipe, time.monotonic(), 0.0, 0
    before = fit.seconds
    while fit.step < recipe.steps:
        if budget and fit.step >= 2 * recipe.warm_up and fit.seconds:
            recipe = fit.recipe = replace(recipe, steps=max(fit.step + 1, int(budget * fit.step / fit.seconds)))
            say(f"planned {recipe.steps} steps for {budget:.0f} s")
            budget = None
        total, count = total + fit.update(loss_at), count + 1
        last = fit.step == recipe.steps
        if fit.step % 100 == 0 or last:
            fit.seconds = before + time.monotonic() - start
            say(f"step {fit.step}/{recipe.steps} loss {total / count:.5f} {fit.seconds:.0f} s")
            total, count = 0.0, 0
        stopped = stop() and not last
        if fit.step % recipe.keep_every == 0 or last or stopped:
            fit.seconds = before + time.monotonic() - start
            fit.save(path)
        if stopped:
            say(f"stopped at step {fit.step}, {fit.seconds:.0f} s")
            return
        if check and (fit.step % check_every == 0 or last):
            say(f"step {fit.step} {check()}")


def planned(recipe: Recipe, steps: int | None) -> Recipe:
    """The recipe with another number of steps."""
    return recipe if steps is None else replace(recipe, steps=steps, warm_up=min(recipe.warm_up, max(1, steps // 10)))


def parameters(modules: Iterable[torch.nn.Module]) -> int:
    """How many numbers the modules hold."""
    return sum(p.numel() for module in modules for p in module.parameters())
