"""The attribute reader: a small network that names sky, backdrop, subject and colour, fitted on drawn scenes alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file

from training.autoencoder import to_signed
from training.fit import Fit, Recipe, run
from training.painter import paint
from training.scene import BACKDROPS, COLOURS, SIZES, SKIES, SUBJECTS, WEATHERS, Scene, draw_scene

HEADS: dict[str, tuple[str, ...]] = {
    "sky": SKIES,
    "backdrop": BACKDROPS,
    "subject": SUBJECTS,
    "colour": (*COLOURS, "pink"),
    "clouds": ("none", "some"),
    "weather": WEATHERS,
}
JUDGED = ("sky", "backdrop", "subject", "colour")
WEIGHTS = Path(__file__).parent / "reader" / "reader.safetensors"
RECIPE = Recipe(steps=1200, rate=2e-3, batch=24, warm_up=100, average=0.995)
FIRST_SEED = 500_000_000
UNSEEN_SEED = 600_000_000
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # of a drawn picture


class Reader(torch.nn.Module):
    """Strided convolutions, the mean and the maximum over the picture, one linear head per attribute."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 128, 128)
        layers: list[torch.nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            layers += [
                torch.nn.Conv2d(a, b, 3, stride=2 if i < 4 else 1, padding=1),
                torch.nn.GroupNorm(8, b),
                torch.nn.SiLU(),
            ]
        self.body = torch.nn.Sequential(*layers)
        self.heads = torch.nn.ModuleDict({k: torch.nn.Linear(2 * widths[-1], len(v)) for k, v in HEADS.items()})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores per head for pictures of -1 to 1."""
        h = self.body(x)
        pooled = torch.cat([h.mean(dim=(2, 3)), h.amax(dim=(2, 3))], dim=1)
        return {name: head(pooled) for name, head in self.heads.items()}


def truth(scene: Scene) -> dict[str, str]:
    """What the reader should say of a scene."""
    return {
        "sky": scene.sky,
        "backdrop": scene.backdrop,
        "subject": scene.subject,
        "colour": scene.colour,
        "clouds": "some" if scene.clouds else "none",
        "weather": scene.weather,
    }


def _worn(x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Soften, tint and grain a batch, so that the reader goes by what is shown and not by clean edges."""
    if rng.random() < 0.5:
        size = x.shape[-2:]
        small = F.interpolate(x, scale_factor=float(rng.uniform(0.4, 0.9)), mode="area")
        x = F.interpolate(small, size=size, mode="bilinear")
    gain = torch.from_numpy(rng.uniform(0.93, 1.07, (len(x), 3, 1, 1)).astype(np.float32)).to(x)
    shift = torch.from_numpy(rng.uniform(-0.06, 0.06, (len(x), 3, 1, 1)).astype(np.float32)).to(x)
    grain = torch.from_numpy(rng.standard_normal(x.shape).astype(np.float32)).to(x) * float(rng.uniform(0, 0.06))
    return (x * gain + shift + grain).contiguous(memory_format=torch.channels_last)


def as_drawn(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """No change."""
    return picture


def reader_loss(
    module: torch.nn.Module, step: int, part: int, count: int, device: torch.device, *, change: Change = as_drawn
) -> torch.Tensor:
    """The summed cross-entropies over freshly drawn scenes of one ratio."""
    ratio = list(SIZES)[int(np.random.default_rng([5, step]).integers(len(SIZES)))]
    rng = np.random.default_rng([6, step, part])
    first = FIRST_SEED + step * 1000 + part * count
    scenes = [draw_scene(first + i, ratio, unseen=bool(rng.random() < 0.125)) for i in range(count)]
    styles = np.random.default_rng([7, step, part])
    pictures = np.stack([change(paint(s), styles) for s in scenes])
    scores = module(_worn(to_signed(pictures, device), rng))
    loss = torch.zeros((), device=device)
    for name, words in HEADS.items():
        labels = torch.tensor([words.index(truth(s)[name]) for s in scenes], device=device)
        loss = loss + F.cross_entropy(scores[name], labels)
    return loss


def train(
    folder: Path,
    device: torch.device,
    *,
    parts: int,
    steps: int,
    say: Callable[[str], None] = print,
    weights: Path = WEIGHTS,
    start: Path | None = None,
    change: Change = as_drawn,
) -> Reader:
    """Fit the reader, from the checkpoint if there is one, or from the weights `start`, and keep it in half precision
    in the file `weights`."""
    torch.manual_seed(1)
    module = Reader() if start is None else restore(start)
    module.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    recipe = Recipe(**{**RECIPE.__dict__, "steps": steps})
    fit = Fit(module, recipe, parts)
    path = folder / "reader.safetensors"
    fit.load(path)
    run(
        fit,
        path,
        lambda m, step, part, n: reader_loss(m, step, part, recipe.batch // n, device, change=change),
        say=say,
    )
    fit.load_mean(module)
    weights.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half().contiguous() for k, v in sorted(module.state_dict().items())}, str(weights))
    weights.chmod(0o644)
    return restore(weights)


def restore(weights: Path = WEIGHTS) -> Reader:
    """The reader that is kept in `weights`."""
    module = Reader()
    module.load_state_dict({k: v.float() for k, v in load_file(str(weights)).items()})
    return module.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


@torch.no_grad()
def read(reader: Reader, pictures: Sequence[np.ndarray]) -> list[dict[str, str]]:
    """What the reader sees in pictures (height, width, 3) of any sizes."""
    out = []
    for picture in pictures:
        scores = reader(to_signed(picture[None]))
        out.append({name: words[int(scores[name].argmax())] for name, words in HEADS.items()})
    return out


def accuracy(seen: Sequence[dict[str, str]], wanted: Sequence[dict[str, str]]) -> dict[str, float]:
    """The share of right answers in percent per judged attribute; colour only for subjects that come in colours."""
    out = {}
    for name in JUDGED:
        pairs = [
            (s[name], w[name])
            for s, w in zip(seen, wanted, strict=True)
            if name != "colour" or w["subject"] not in ("cherry", "pine")
        ]
        out[name] = round(100 * sum(a == b for a, b in pairs) / max(1, len(pairs)), 1)
    return out


def own_accuracy(reader: Reader, count: int = 600) -> dict[str, float]:
    """The reader's accuracy on drawn scenes that it never saw."""
    scenes = [draw_scene(UNSEEN_SEED + i, unseen=i % 8 == 0) for i in range(count)]
    seen = read(reader, [paint(s) for s in scenes])
    wanted = [truth(s) for s in scenes]
    out = accuracy(seen, wanted)
    for name in ("clouds", "weather"):
        out[name] = round(100 * sum(a[name] == b[name] for a, b in zip(seen, wanted, strict=True)) / count, 1)
    return out
