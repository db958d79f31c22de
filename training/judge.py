"""Judges the trained model:  python -m training.judge

The reader, fitted on drawn scenes alone, says what generated pictures show; the captions ask for combinations of sky,
backdrop and subject that training never had. Results go to training/judged.json, a sheet of pictures to docs/images.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
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


def say(text: str) -> None:
    """Print with the time of day, at once."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def asked(count: int, first: int, ratio: str) -> list[Scene]:
    """Scenes of combinations kept out of training."""
    return [draw_scene(FIRST_SEED + first + i, ratio, unseen=True) for i in range(count)]


def judge_scenes(pipe: Any, eye: reader.Reader, scenes: Sequence[Scene], **options: Any) -> list[dict[str, str]]:
    """Render the plain captions of scenes of one ratio and read the pictures."""
    texts, seeds = [plain_caption(s) for s in scenes], [s.seed for s in scenes]
    pictures = render(pipe, texts, seeds, size=scenes[0].size, **options)
    return reader.read(eye, pictures)


def by_ratio(pipe: Any, eye: reader.Reader, count: int) -> dict[str, Any]:
    """Accuracy over all ratios, per ratio, with shuffled captions, and of drawn scenes sent through the autoencoder."""
    seen: list[dict[str, str]] = []
    wanted: list[dict[str, str]] = []
    ratios: dict[str, dict[str, float]] = {}
    for k, ratio in enumerate(SIZES):
        scenes = asked(count, k * 1000, ratio)
        mine, want = judge_scenes(pipe, eye, scenes), [reader.truth(s) for s in scenes]
        ratios[ratio] = reader.accuracy(mine, want)
        say(f"{ratio} {ratios[ratio]}")
        seen, wanted = seen + mine, wanted + want
    order = np.random.default_rng(1).permutation(len(wanted))
    return {
        "pictures": len(seen),
        "all": reader.accuracy(seen, wanted),
        "shuffled": reader.accuracy(seen, [wanted[int(i)] for i in order]),
        "ratios": ratios,
    }


def by_guidance(pipe: Any, eye: reader.Reader, count: int) -> dict[str, dict[str, float]]:
    """Accuracy at several strengths of guidance, square pictures, the same captions and seeds."""
    scenes = asked(count, 50_000, "1:1")
    wanted = [reader.truth(s) for s in scenes]
    return {f"{g:g}": reader.accuracy(judge_scenes(pipe, eye, scenes, guidance=g), wanted) for g in GUIDANCES}


def _share(seen: Sequence[dict[str, str]], head: str, word: str) -> float:
    return round(100 * sum(s[head] == word for s in seen) / len(seen), 1)


def negatives(pipe: Any, eye: reader.Reader, count: int) -> list[dict[str, Any]]:
    """How often something is seen with an empty negative prompt, and with a negative prompt that names it."""
    seeds = [FIRST_SEED + 60_000 + i for i in range(count)]
    out = []
    for prompt, negative, head, word in (
        ("anime scene, red lighthouse, sea, day sky", "clouds", "clouds", "some"),
        ("anime scene, pagoda, mountains", "night sky", "sky", "night"),
        ("anime scene, house, sunset sky", "city", "backdrop", "city"),
    ):
        plain = reader.read(eye, render(pipe, [prompt] * count, seeds))
        without = reader.read(eye, render(pipe, [prompt] * count, seeds, negative=negative))
        out.append({"prompt": prompt, "negative": negative, "before": _share(plain, head, word),
                    "after": _share(without, head, word)})
    return out


def _spread(pictures: Sequence[np.ndarray]) -> float:
    """The mean distance between pairs of pictures, in levels of 255, after reduction to 16 x 16."""
    small = np.stack([p.reshape(16, 8, 16, 8, 3).mean(axis=(1, 3)) for p in pictures])
    pairs = [np.sqrt(np.square(a - b).mean()) for i, a in enumerate(small) for b in small[:i]]
    return float(np.mean(pairs))


def diversity(pipe: Any, count: int, prompts: int = 5) -> dict[str, float]:
    """How far pictures of one prompt lie apart over seeds, beside drawn scenes of the same attributes."""
    made, drawn = [], []
    for scene in asked(prompts, 70_000, "1:1"):
        seeds = [scene.seed * 10 + i for i in range(count)]
        made.append(_spread(render(pipe, [plain_caption(scene)] * count, seeds)))
        others = [Scene(**{**draw_scene(s, "1:1", (scene.sky, scene.backdrop, scene.subject)).__dict__,
                           "colour": scene.colour}) for s in seeds]
        drawn.append(_spread([paint(s) for s in others]))
    return {"generated": round(float(np.mean(made)), 1), "drawn": round(float(np.mean(drawn)), 1)}


def through_autoencoder(pipe: Any, eye: reader.Reader, count: int) -> dict[str, Any]:
    """PSNR on unseen scenes, and the reader's accuracy after the autoencoder: the most a denoiser can reach."""
    scenes = asked(count, 80_000, "1:1")
    pictures = []
    with torch.no_grad():
        for scene in scenes:
            z = pipe.vae.encode(autoencoder.to_signed(paint(scene)[None])).latent_dist.mode()
            y = pipe.vae.decode(z).sample[0].clamp(-1, 1)
            pictures.append(((y + 1) * 127.5 + 0.5).byte().movedim(0, -1).numpy())
    read = reader.accuracy(reader.read(eye, pictures), [reader.truth(s) for s in scenes])
    return {"psnr_db": round(autoencoder.quality(pipe.vae, 96)[0], 2), "accuracy": read}


def seconds_per_picture(pipe: Any, count: int = 8) -> float:
    """Seconds for one picture in a batch at 20 steps with guidance."""
    start = time.perf_counter()
    render(pipe, ["red lighthouse, night sky, stars"] * count, list(range(count)), steps=20, batch=count)
    return round((time.perf_counter() - start) / count, 3)


def random_sheet(pipe: Any, seed: int = 2026) -> list[str]:
    """Draw the sheet of 5 x 8 pictures: random captions, random seeds, none chosen; returns the captions."""
    scenes = [draw_scene(FIRST_SEED + 90_000 + seed + i, "1:1", unseen=i % 2 == 0) for i in range(40)]
    texts = [caption(s, np.random.default_rng([seed, i])) for i, s in enumerate(scenes)]
    IMAGES.mkdir(parents=True, exist_ok=True)
    sheet(render(pipe, texts, [s.seed for s in scenes]), 8).save(IMAGES / "tiny_random.png", optimize=True)
    return texts


def main(arguments: list[str] | None = None) -> None:
    """Judge and write the results."""
    parser = argparse.ArgumentParser(prog="python -m training.judge", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--pictures", type=int, default=320, help="generated pictures over all ratios")
    parser.add_argument("--few", type=int, default=40, help="pictures per strength of guidance and negative prompt")
    parser.add_argument("--train-reader", type=int, metavar="STEPS", help="fit the reader first")
    parser.add_argument("--work", type=Path, default=Path(".train/reader"), help="folder for the reader's checkpoint")
    options = parser.parse_args(arguments)
    if options.train_reader:
        torch.set_num_threads(1)
        reader.train(options.work, torch.device("cpu"), parts=2, steps=options.train_reader, say=say)
        torch.set_num_threads(2)
    eye, pipe = reader.restore(), load(options.model)
    results: dict[str, Any] = {"sampler": "DPM++ 2M Karras", "steps": STEPS, "guidance": GUIDANCE}
    for name, work in (
        ("reader", lambda: reader.own_accuracy(eye)),
        ("autoencoder", lambda: through_autoencoder(pipe, eye, 120)),
        ("seconds_per_picture", lambda: seconds_per_picture(pipe)),
        ("generated", lambda: by_ratio(pipe, eye, -(-options.pictures // len(SIZES)))),
        ("guidances", lambda: by_guidance(pipe, eye, options.few)),
        ("negatives", lambda: negatives(pipe, eye, options.few)),
        ("diversity", lambda: diversity(pipe, 8)),
        ("sheet", lambda: random_sheet(pipe)),
    ):
        results[name] = work()
        say(f"{name}: {json.dumps(results[name])}")
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
