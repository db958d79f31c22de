"""The attribute reader: a small network that names what a picture shows, fitted on drawn scenes alone.

For two subjects it names what stands left and right, and in which colours. What cannot be seen (the sky in a close up)
is not asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count, islice, pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file

from training.autoencoder import to_signed
from training.fit import Fit, Recipe, run
from training.group_norm import replace_norms
from training.second.easel import paint_all
from training.second.painter import paint
from training.second.scene import (
    ALL_COLOURS,
    BACKDROPS,
    COLOURED,
    SIZES,
    SKIES,
    SUBJECTS,
    WEATHERS,
    Scene,
    draw_scene,
)

ALONE = "alone"
HEADS: dict[str, tuple[str, ...]] = {
    "sky": SKIES,
    "backdrop": BACKDROPS,
    "subject": SUBJECTS,
    "colour": ALL_COLOURS,
    "clouds": ("none", "some"),
    "weather": WEATHERS,
    "left": (*SUBJECTS, ALONE),
    "right": (*SUBJECTS, ALONE),
    "left colour": ALL_COLOURS,
    "right colour": ALL_COLOURS,
    "distance": ("far", "middle", "near", "close", "detail"),
}
JUDGED = ("sky", "backdrop", "subject", "colour")
WEIGHTS = Path(__file__).parent / "reader.safetensors"
RECIPE = Recipe(steps=2500, rate=2e-3, batch=24, warm_up=100, average=0.995, keep_every=100)
FIRST_SEED = 500_000_000
# Batches that are painted (12,000 pictures, 2.3 GB), most of the work; each pass wears and mirrors them differently.
LESSONS = 500


class Reader(torch.nn.Module):
    """Strided convolutions; mean and maximum over the whole, the left and the right half; one linear head each."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 128, 160, 160)
        layers: list[torch.nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            layers += [
                torch.nn.Conv2d(a, b, 3, stride=2 if i < 5 else 1, padding=1),
                torch.nn.GroupNorm(8, b),
                torch.nn.SiLU(),
            ]
        self.body = torch.nn.Sequential(*layers)
        self.heads = torch.nn.ModuleDict({k: torch.nn.Linear(6 * widths[-1], len(v)) for k, v in HEADS.items()})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores per head for pictures of -1 to 1."""
        h = self.body(x)
        middle = (h.shape[-1] + 1) // 2
        areas = (h, h[..., :middle], h[..., -middle:])
        pooled = torch.cat([f for a in areas for f in (a.mean(dim=(2, 3)), a.amax(dim=(2, 3)))], dim=1)
        return {name: head(pooled) for name, head in self.heads.items()}


def truth(scene: Scene, mirrored: bool = False) -> dict[str, str]:
    """What the reader should say of a scene (or its mirror image); heads that cannot be answered are left out."""
    two, wide = scene.second, scene.distance not in ("close", "detail")
    out = {"distance": scene.distance, "weather": scene.weather}
    if wide:
        out |= {"sky": scene.sky, "backdrop": scene.backdrop, "clouds": "some" if scene.clouds else "none"}
    if two is None:
        return out | {"subject": scene.subject, "colour": scene.colour, "left": ALONE, "right": ALONE}
    left, right = (scene, two) if (scene.side == "left") != mirrored else (two, scene)
    colours = {"left colour": left.colour, "right colour": right.colour}
    return out | {"left": left.subject, "right": right.subject} | colours


def _worn(x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Soften, tint and grain a batch, so that the reader goes by what is shown and not by clean edges."""
    if rng.random() < 0.5:
        size = x.shape[-2:]
        small = F.interpolate(x, scale_factor=float(rng.uniform(0.35, 0.9)), mode="area")
        x = F.interpolate(small, size=size, mode="bilinear")
    gain = torch.from_numpy(rng.uniform(0.93, 1.07, (len(x), 3, 1, 1)).astype(np.float32)).to(x)
    shift = torch.from_numpy(rng.uniform(-0.06, 0.06, (len(x), 3, 1, 1)).astype(np.float32)).to(x)
    grain = torch.from_numpy(rng.standard_normal(x.shape).astype(np.float32)).to(x) * float(rng.uniform(0, 0.06))
    return (x * gain + shift + grain).contiguous(memory_format=torch.channels_last)


def _scene(seed: int, ratio: str, rng: np.random.Generator) -> Scene:
    """A scene by chance: one in eight of a combination that training keeps out, half at the distance that is judged."""
    unseen, middle, two = rng.random() < 0.125, rng.random() < 0.5, rng.random() < 0.3
    scene = next(s for s in (draw_scene(seed + i, ratio, unseen=unseen) for i in count()) if s.second or not two)
    return replace(scene, zoom=round(float(rng.uniform(0.84, 1.2)), 2), part="") if middle else scene


def lesson(step: int, size: int) -> list[Scene]:
    """The scenes of a batch, all of one ratio; after LESSONS batches the same ones come again."""
    step %= LESSONS
    rng = np.random.default_rng([6, step])
    ratio = list(SIZES)[int(rng.integers(len(SIZES)))]
    first = FIRST_SEED + step * 1000
    return [_scene(first + i * (1000 // size), ratio, rng) for i in range(size)]


def reader_loss(module: torch.nn.Module, scenes: Sequence[Scene], pixels: np.ndarray, seed: int) -> torch.Tensor:
    """The summed cross-entropies of the heads that can be answered; half of the batches are mirrored."""
    device, rng = next(module.parameters()).device, np.random.default_rng([9, seed])
    mirrored = rng.random() < 0.5
    x = to_signed(pixels, device)
    scores = module(_worn(x.flip(-1) if mirrored else x, rng))
    loss = torch.zeros((), device=device)
    for name, words in HEADS.items():
        answers = [truth(s, mirrored).get(name) for s in scenes]
        known = [i for i, answer in enumerate(answers) if answer is not None]
        if known:
            labels = torch.tensor([words.index(str(answers[i])) for i in known], device=device)
            loss = loss + F.cross_entropy(scores[name][known], labels) * (len(known) / len(scenes))
    return loss


def train(
    folder: Path,
    device: torch.device,
    *,
    steps: int,
    workers: int = 1,
    bfloat16: bool = False,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = print,
) -> Reader:
    """Fit or resume the reader, and keep it in half precision beside this module; `workers` processes paint.

    Without a checkpoint in `folder` it goes on from the weights that are kept, which may lack new heads. `bfloat16` is
    for processors that have it natively.
    """
    torch.manual_seed(1)
    module = (restore(strict=False) if WEIGHTS.exists() else Reader()).train()
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if bfloat16:
        replace_norms(module)
    recipe = replace(RECIPE, steps=steps)
    fit = Fit(module, recipe)
    path = folder / "reader.safetensors"
    fit.load(path)
    painted = range(fit.step, min(steps, fit.step + LESSONS))
    pictures = paint_all((scene for step in painted for scene in lesson(step, recipe.batch)), workers)
    album: dict[int, np.ndarray] = {}

    def loss_at(replica: torch.nn.Module, step: int, part: int, parts: int) -> torch.Tensor:
        place = step % LESSONS
        if place not in album:
            album[place] = np.stack(list(islice(pictures, recipe.batch)))
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            return reader_loss(replica, lesson(step, recipe.batch), album[place], step)

    run(fit, path, loss_at, stop=stop, say=say)
    fit.load_mean(module)
    save_file({k: v.half().cpu().contiguous() for k, v in sorted(module.state_dict().items())}, str(WEIGHTS))
    WEIGHTS.chmod(0o644)
    return restore()


def restore(strict: bool = True) -> Reader:
    """The reader that is kept beside this module."""
    module = Reader()
    module.load_state_dict({k: v.float() for k, v in load_file(str(WEIGHTS)).items()}, strict=strict)
    return module.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


@torch.no_grad()
def read(reader: Reader, pictures: Sequence[np.ndarray]) -> list[dict[str, str]]:
    """What the reader sees in pictures (height, width, 3) of any sizes."""
    out = []
    for picture in pictures:
        scores = reader(to_signed(picture[None]))
        out.append({name: words[int(scores[name].argmax())] for name, words in HEADS.items()})
    return out


def accuracy(
    seen: Sequence[dict[str, str]], wanted: Sequence[dict[str, str]], names: Sequence[str] = JUDGED
) -> dict[str, float]:
    """The share of right answers in percent per attribute; colour only for subjects that come in colours."""
    out = {}
    for name in names:
        pairs = [
            (s[name], w[name])
            for s, w in zip(seen, wanted, strict=True)
            if name in w and (name != "colour" or w["subject"] in COLOURED)
        ]
        out[name] = round(100 * sum(a == b for a, b in pairs) / max(1, len(pairs)), 1)
    return out


def sides(seen: Sequence[dict[str, str]], wanted: Sequence[dict[str, str]]) -> dict[str, float]:
    """Of two-subject pictures, in percent: both on the right sides, both there on either side; and the right colours,
    of the subjects that come in colours."""
    pairs = [(s, w) for s, w in zip(seen, wanted, strict=True) if w["left"] != ALONE]
    right = [s["left"] == w["left"] and s["right"] == w["right"] for s, w in pairs]
    there = [{s["left"], s["right"]} == {w["left"], w["right"]} for s, w in pairs]
    coloured = [(s, w, side) for s, w in pairs for side in ("left", "right") if w[side] in COLOURED]
    colours = [s[f"{side} colour"] == w[f"{side} colour"] for s, w, side in coloured]
    shares = {"sides": right, "both": there, "colours": colours}
    return {"pictures": len(pairs)} | {k: round(100 * sum(v) / max(1, len(v)), 1) for k, v in shares.items()}


def on_drawn(reader: Reader, scenes: Sequence[Scene], names: Sequence[str] = JUDGED) -> dict[str, float]:
    """The reader's own accuracy, on drawn scenes; with pairs if there are any."""
    seen, wanted = read(reader, [paint(s) for s in scenes]), [truth(s) for s in scenes]
    return accuracy(seen, wanted, names) | (sides(seen, wanted) if any(s.second for s in scenes) else {})
