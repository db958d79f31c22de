"""Judges the trained model:  python -m training.judge

The reader, fitted on drawn scenes alone, says what generated pictures show; the captions ask for combinations of sky,
backdrop and subject that training never had. Results go to training/judged.json, a sheet of pictures to docs/images.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import autoencoder, reader
from training.captions import caption, plain_caption
from training.painter import paint
from training.render import GUIDANCE, MODEL, STEPS, load, render, sheet
from training.scene import SIZES, Scene, draw_scene

RESULTS = Path(__file__).parent / "judged.json"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
FIRST_SEED = 700_000_000
GUIDANCES = (1.0, 2.0, 3.0, 5.0, 7.5, 12.0)
# A prompt, a negative prompt, and the head and the word by which the reader tells whether the thing is there.
NEGATIVES = (
    ("anime scene, red lighthouse, sea, day sky", "clouds", "clouds", "some"),
    ("anime scene, pagoda, mountains", "night sky", "sky", "night"),
    ("anime scene, house, sunset sky", "city", "backdrop", "city"),
)
Pairs = tuple[list[dict[str, str]], list[dict[str, str]]]
HELD: list[Any] = []


def say(text: str) -> None:
    """Print with the time of day, at once."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def asked(count: int, first: int, ratio: str) -> list[Scene]:
    """Scenes of combinations kept out of training."""
    return [draw_scene(FIRST_SEED + first + i, ratio, unseen=True) for i in range(count)]


@dataclass
class Made:
    """What a worker holds: the pipeline that paints and the reader."""

    pipe: Any
    eye: reader.Reader


def judge_scenes(made: Made, scenes: Sequence[Scene], **options: Any) -> list[dict[str, str]]:
    """Render the plain captions of scenes of one ratio and read the pictures."""
    texts, seeds = [plain_caption(s) for s in scenes], [s.seed for s in scenes]
    return reader.read(made.eye, render(made.pipe, texts, seeds, size=scenes[0].size, **options))


def _pairs(made: Made, scenes: Sequence[Scene], **options: Any) -> Pairs:
    """What the reader saw in the pictures of scenes, beside what was asked."""
    return judge_scenes(made, scenes, **options), [reader.truth(s) for s in scenes]


def one_ratio(made: Made, ratio: str, count: int) -> Pairs:
    """Held-out captions in one ratio."""
    return _pairs(made, asked(count, list(SIZES).index(ratio) * 1000, ratio))


def one_guidance(made: Made, guidance: float, count: int) -> dict[str, float]:
    """Accuracy at one strength of guidance, square pictures, always the same captions and seeds."""
    return reader.accuracy(*_pairs(made, asked(count, 50_000, "1:1"), guidance=guidance))


def all_ratios(found: dict[str, Pairs]) -> dict[str, Any]:
    """Accuracy over all ratios, per ratio, and with the captions shuffled between pictures."""
    seen = [s for mine, _ in found.values() for s in mine]
    wanted = [w for _, want in found.values() for w in want]
    order = np.random.default_rng(1).permutation(len(wanted))
    return {
        "pictures": len(seen),
        "all": reader.accuracy(seen, wanted),
        "shuffled": reader.accuracy(seen, [wanted[int(i)] for i in order]),
        "ratios": {ratio: reader.accuracy(*pairs) for ratio, pairs in found.items()},
    }


def _share(seen: Sequence[dict[str, str]], head: str, word: str) -> float:
    return round(100 * sum(s[head] == word for s in seen) / len(seen), 1)


def one_negative(made: Made, case: tuple[str, str, str, str], count: int) -> dict[str, Any]:
    """How often something is seen with an empty negative prompt, and with a negative prompt that names it."""
    prompt, negative, head, word = case
    seeds = [FIRST_SEED + 60_000 + i for i in range(count)]
    plain = reader.read(made.eye, render(made.pipe, [prompt] * count, seeds))
    without = reader.read(made.eye, render(made.pipe, [prompt] * count, seeds, negative=negative))
    return {
        "prompt": prompt,
        "negative": negative,
        "before": _share(plain, head, word),
        "after": _share(without, head, word),
    }


def _spread(pictures: Sequence[np.ndarray]) -> float:
    """The mean distance between pairs of pictures, in levels of 255, after reduction to 16 x 16."""
    small = np.stack([p.reshape(16, 8, 16, 8, 3).mean(axis=(1, 3)) for p in pictures])
    pairs = [np.sqrt(np.square(a - b).mean()) for i, a in enumerate(small) for b in small[:i]]
    return float(np.mean(pairs))


def diversity(made: Made, count: int, prompts: int = 5) -> dict[str, float]:
    """How far pictures of one prompt lie apart over seeds, beside drawn scenes of the same attributes."""
    painted, drawn = [], []
    for scene in asked(prompts, 70_000, "1:1"):
        seeds = [scene.seed * 10 + i for i in range(count)]
        painted.append(_spread(render(made.pipe, [plain_caption(scene)] * count, seeds)))
        others = [
            Scene(
                **{**draw_scene(s, "1:1", (scene.sky, scene.backdrop, scene.subject)).__dict__, "colour": scene.colour}
            )
            for s in seeds
        ]
        drawn.append(_spread([paint(s) for s in others]))
    return {"generated": round(float(np.mean(painted)), 1), "drawn": round(float(np.mean(drawn)), 1)}


def through_autoencoder(made: Made, count: int) -> dict[str, Any]:
    """PSNR on unseen scenes, and the reader's accuracy after the autoencoder: the most a denoiser can reach."""
    scenes = asked(count, 80_000, "1:1")
    pictures = []
    with torch.no_grad():
        for scene in scenes:
            z = made.pipe.vae.encode(autoencoder.to_signed(paint(scene)[None])).latent_dist.mode()
            y = made.pipe.vae.decode(z).sample[0].clamp(-1, 1)
            pictures.append(((y + 1) * 127.5 + 0.5).byte().movedim(0, -1).numpy())
    read = reader.accuracy(reader.read(made.eye, pictures), [reader.truth(s) for s in scenes])
    return {"psnr_db": round(autoencoder.quality(made.pipe.vae, 96)[0], 2), "accuracy": read}


def seconds_per_picture(pipe: Any, count: int = 8, tries: int = 3) -> float:
    """Seconds for one picture in a batch at 20 steps with guidance, the best of a few tries."""
    best = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        render(pipe, ["red lighthouse, night sky, stars"] * count, list(range(count)), steps=20, batch=count)
        best = min(best, (time.perf_counter() - start) / count)
    return round(best, 3)


def random_sheet(made: Made, seed: int = 2026) -> list[str]:
    """Draw the sheet of 5 x 8 pictures: random captions, random seeds, none chosen; returns the captions."""
    scenes = [draw_scene(FIRST_SEED + 90_000 + seed + i, "1:1", unseen=i % 2 == 0) for i in range(40)]
    texts = [caption(s, np.random.default_rng([seed, i])) for i, s in enumerate(scenes)]
    IMAGES.mkdir(parents=True, exist_ok=True)
    sheet(render(made.pipe, texts, [s.seed for s in scenes]), 8).save(IMAGES / "tiny_random.png", optimize=True)
    return texts


def own_accuracy(made: Made) -> dict[str, float]:
    """The reader's own accuracy."""
    return reader.own_accuracy(made.eye)


def _start(model: Path) -> None:
    """Make a worker ready."""
    torch.set_num_threads(1)
    HELD.append(Made(load(model), reader.restore()))


def _work(task: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
    function, arguments = task
    return function(HELD[0], *arguments)


def judge(model: Path, pictures: int, few: int, workers: int = 2) -> dict[str, Any]:
    """All results, by several processes of one thread each."""
    tasks: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "reader": (own_accuracy, ()),
        "autoencoder": (through_autoencoder, (120,)),
        "diversity": (diversity, (8,)),
        "sheet": (random_sheet, ()),
        **{f"ratio {r}": (one_ratio, (r, -(-pictures // len(SIZES)))) for r in SIZES},
        **{f"guidance {g:g}": (one_guidance, (g, few)) for g in GUIDANCES},
        **{f"negative {case[1]}": (one_negative, (case, few)) for case in NEGATIVES},
    }
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (model,)) as pool:
        for name, result in zip(tasks, pool.map(_work, tasks.values()), strict=True):
            found[name] = result
            say(name if name.startswith("ratio") else f"{name}: {json.dumps(result)}")
    results = {name: found[name] for name in ("reader", "autoencoder", "diversity", "sheet")}
    results["generated"] = all_ratios({r: found[f"ratio {r}"] for r in SIZES})
    results["guidances"] = {f"{g:g}": found[f"guidance {g:g}"] for g in GUIDANCES}
    results["negatives"] = [found[f"negative {case[1]}"] for case in NEGATIVES]
    return results


def main(arguments: list[str] | None = None) -> None:
    """Judge and write the results."""
    parser = argparse.ArgumentParser(prog="python -m training.judge", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--pictures", type=int, default=800, help="generated pictures over all ratios")
    parser.add_argument("--few", type=int, default=40, help="pictures per strength of guidance and negative prompt")
    parser.add_argument("--train-reader", type=int, metavar="STEPS", help="fit the reader first")
    parser.add_argument("--work", type=Path, default=Path(".train/reader"), help="folder for the reader's checkpoint")
    options = parser.parse_args(arguments)
    if options.train_reader:
        torch.set_num_threads(1)
        reader.train(options.work, torch.device("cpu"), parts=2, steps=options.train_reader, say=say)
    results: dict[str, Any] = {"sampler": "DPM++ 2M Karras", "steps": STEPS, "guidance": GUIDANCE}
    results |= judge(options.model, options.pictures, options.few)
    torch.set_num_threads(2)
    results["seconds_per_picture"] = seconds_per_picture(load(options.model))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    say(json.dumps(results["generated"]))


if __name__ == "__main__":
    main()
