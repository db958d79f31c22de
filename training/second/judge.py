"""Judges a trained model of the second generation:  python -m training.second.judge --model .train/second/model

The reader, fitted on drawn scenes alone, says what generated pictures show; the captions ask for combinations of sky,
backdrop and subject that training never had. Results go to a JSON file, 40 unchosen pictures to a sheet.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.autoencoder import to_signed
from training.fit import pick_device
from training.judge import say
from training.render import load, render, sheet
from training.second import perceptual, reader, sharpness
from training.second.captions import caption, plain_caption, plain_name
from training.second.painter import paint
from training.second.scene import SIZES, Scene, draw_scene

FIRST_SEED = 700_000_000
GUIDANCES = (1.0, 2.0, 3.0, 5.0, 7.5, 12.0)
COUNTS = (12, 16, 24)
STEPS, GUIDANCE = 16, 6.0
# Prompts, a negative prompt, and the head and the word by which the reader tells whether the thing is there. Clouds are
# asked for in wide pictures: in close-ups the reader was never told whether there are any.
CLOUDY = (
    "sunset sky, boat, sea, zoom 0.70, {}",
    "day sky, {}",
    "anime scene, zoom 0.80, {}",
    "red lighthouse, sea, day sky, zoom 0.80, {}",
)
Negative = tuple[tuple[str, ...], str, str, str]
NEGATIVES: tuple[Negative, ...] = (
    (CLOUDY, "clouds", "clouds", "some"),
    (("pagoda, mountains, {}",), "day sky", "sky", "day"),
    (("house, sunset sky, {}",), "city", "backdrop", "city"),
    (("boat, day sky, {}",), "sea", "backdrop", "sea"),
)
Pairs = tuple[list[dict[str, str]], list[dict[str, str]]]
HELD: list[Any] = []


@dataclass
class Made:
    """What a worker holds: the pipeline that paints and the reader."""

    pipe: Any
    eye: reader.Reader

    def render(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        size: tuple[int, int] = SIZES["1:1"],
        *,
        guidance: float = GUIDANCE,
        steps: int = STEPS,
        negative: str = "",
    ) -> list[np.ndarray]:
        """Pictures of the texts, as users get them."""
        options: dict[str, Any] = {"guidance": guidance, "steps": steps, "negative": negative}
        return render(self.pipe, texts, seeds, size=size, batch=8, **options)


def asked(count: int, first: int, ratio: str, two: bool = False) -> list[Scene]:
    """Scenes of combinations kept out of training, at middle distance, of one subject or of two."""
    out: list[Scene] = []
    seed = FIRST_SEED + first
    while len(out) < count:
        scene = draw_scene(seed, ratio, unseen=True)
        seed += 1
        if (scene.second is not None) == two:
            out.append(replace(scene, zoom=1.0, part=""))
    return out


def pairs(made: Made, scenes: Sequence[Scene], **options: Any) -> Pairs:
    """What the reader sees in pictures of the plain captions of scenes of one ratio, beside what was asked."""
    texts, seeds = [plain_caption(s) for s in scenes], [s.seed for s in scenes]
    seen = reader.read(made.eye, made.render(texts, seeds, scenes[0].size, **options))
    return seen, [reader.truth(s) for s in scenes]


def of_ratio(ratio: str, count: int) -> list[Scene]:
    """The scenes of one subject that are judged in one ratio."""
    return asked(count, list(SIZES).index(ratio) * 1000, ratio)


def of_two(count: int) -> list[Scene]:
    """The scenes of two subjects that are judged."""
    return asked(count, 55_000, "3:2", two=True)


def one_ratio(made: Made, ratio: str, count: int) -> Pairs:
    """Held-out captions in one ratio."""
    return pairs(made, of_ratio(ratio, count))


def one_guidance(made: Made, guidance: float, count: int) -> dict[str, float]:
    """Accuracy at one strength of guidance, square pictures, always the same captions and seeds."""
    return reader.accuracy(*pairs(made, asked(count, 50_000, "1:1"), guidance=guidance))


def one_count(made: Made, steps: int, count: int) -> dict[str, float]:
    """Accuracy at one number of steps."""
    return reader.accuracy(*pairs(made, asked(count, 50_000, "1:1"), steps=steps))


def two_subjects(made: Made, count: int) -> dict[str, float]:
    """How often two subjects are there, and on the sides that were asked."""
    return reader.sides(*pairs(made, of_two(count)))


def subject_alone(made: Made, count: int) -> dict[str, float]:
    """Prompts of a subject and nothing else: how often it is there, in its colour, and not beside another one."""
    scenes = of_ratio("1:1", count)
    seen = reader.read(made.eye, made.render([plain_name(s) for s in scenes], [s.seed for s in scenes]))
    found = reader.accuracy(seen, [reader.truth(s) for s in scenes], ("subject", "colour"))
    return {"pictures": count, **found, "one": _share(seen, "left", reader.ALONE)}


def distances(made: Made, count: int) -> dict[str, float]:
    """How often the distance that a caption asks for is seen, per distance."""
    out = {}
    for name, zoom in (("far", 0.7), ("middle", 1.0), ("near", 1.7), ("close", 4.0), ("detail", 8.0)):
        scenes = asked(count, 57_000, "1:1")
        texts = [
            f"{plain_caption(s)}, zoom {zoom:.2f}" if zoom < 2 else f"{plain_caption(s)}, zoom {zoom:.1f}"
            for s in scenes
        ]
        seen = reader.read(made.eye, made.render(texts, [s.seed for s in scenes]))
        out[name] = _share(seen, "distance", name)
    return out


def _share(seen: Sequence[dict[str, str]], head: str, word: str) -> float:
    return round(100 * sum(s[head] == word for s in seen) / max(1, len(seen)), 1)


def one_negative(made: Made, case: Negative, count: int) -> dict[str, Any]:
    """Of pictures that show what their prompt names, the share in which a negative prompt takes it away.

    The picture without is asked for by the prompt without the word, and with it as the negative prompt; same seeds.
    """
    prompts, negative, head, word = case
    seeds = [FIRST_SEED + 60_000 + i for i in range(count)]
    texts = [prompts[i % len(prompts)] for i in range(count)]
    bare = [text.replace(", {}", "") for text in texts]
    plain = reader.read(made.eye, made.render(bare, seeds))
    named = reader.read(made.eye, made.render([text.format(negative) for text in texts], seeds))
    without = reader.read(made.eye, made.render(bare, seeds, negative=negative))
    had = [b for a, b in zip(plain, without, strict=True) if a[head] == word]
    return {
        "prompt": " / ".join(dict.fromkeys(bare)),
        "negative": negative,
        "named": _share(named, head, word),
        "before": _share(plain, head, word),
        "after": _share(without, head, word),
        "removed": round(100 - _share(had, head, word), 1) if had else None,
    }


def spread(pictures: Sequence[np.ndarray]) -> float:
    """The mean distance between pairs of pictures, in levels of 255, after reduction to 16 x 16."""
    small = np.stack([p.reshape(16, 16, 16, 16, 3).mean(axis=(1, 3)) for p in pictures])
    return float(np.mean([np.sqrt(np.square(a - b).mean()) for i, a in enumerate(small) for b in small[:i]]))


def diversity(made: Made, count: int, prompts: int = 5) -> dict[str, float]:
    """How far pictures of one prompt lie apart over seeds, beside drawn scenes of the same attributes."""
    painted, drawn = [], []
    for scene in asked(prompts, 70_000, "1:1"):
        seeds = [scene.seed * 10 + i for i in range(count)]
        painted.append(spread(made.render([plain_caption(scene)] * count, seeds)))
        others = [draw_scene(s, "1:1", (scene.sky, scene.backdrop, scene.subject)) for s in seeds]
        same = [replace(o, colour=scene.colour, zoom=1.0, part="", second=None, side="") for o in others]
        drawn.append(spread([paint(s) for s in same]))
    return {"generated": round(float(np.mean(painted)), 1), "drawn": round(float(np.mean(drawn)), 1)}


@torch.no_grad()
def coded(vae: Any, picture: np.ndarray) -> np.ndarray:
    """A picture sent through the autoencoder."""
    x = to_signed(picture[None], next(vae.parameters()).device)
    y = vae.decode(vae.encode(x).latent_dist.mode()).sample[0].clamp(-1, 1)
    return ((y + 1) * 127.5 + 0.5).byte().movedim(0, -1).cpu().numpy()


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(10 * np.log10(255**2 / max(1e-9, np.square(a.astype(float) - b.astype(float)).mean())))


def through_autoencoder(vae: Any, count: int, first: int = 80_000) -> dict[str, float]:
    """On fresh scenes of all ratios and zooms: PSNR, and sharpness beside the drawn pictures."""
    drawn = [paint(draw_scene(FIRST_SEED + first + i)) for i in range(count)]
    after = [coded(vae, p) for p in drawn]
    found = perceptual.find()
    distance = perceptual.Distance(found) if found else None
    return {
        "psnr_db": round(float(np.mean([psnr(a, b) for a, b in zip(drawn, after, strict=True)])), 2),
        **({"st_lpips": round(float(np.mean(list(map(distance, drawn, after)))), 4)} if distance else {}),
        **sharp(after, drawn),
    }


def sharp(pictures: Sequence[np.ndarray], drawn: Sequence[np.ndarray]) -> dict[str, float]:
    """Edge width and gradient energy, and their ratios to those of drawn scenes."""
    width, was = (float(np.nanmean([sharpness.edge_width(p) for p in group])) for group in (pictures, drawn))
    energy, had = (float(np.mean([sharpness.gradient_energy(p) for p in group])) for group in (pictures, drawn))
    return {
        "edge_width": round(width, 2),
        "edge_ratio": round(width / was, 2),
        "gradient": round(energy, 1),
        "gradient_ratio": round(energy / had, 2),
    }


def sharp_generated(made: Made, count: int) -> dict[str, float]:
    """Sharpness of generated pictures beside drawn scenes of the same attributes."""
    scenes = asked(count, 85_000, "1:1")
    texts, seeds = [plain_caption(s) for s in scenes], [s.seed for s in scenes]
    return sharp(made.render(texts, seeds), [paint(s) for s in scenes])


def seconds_per_picture(pipe: Any, steps: int, count: int = 8, tries: int = 3) -> float:
    """Seconds for one picture in a batch with guidance, two threads, the best of a few tries."""
    torch.set_num_threads(2)
    best = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        texts = ["red lighthouse, night sky, stars"] * count
        render(pipe, texts, list(range(count)), size=SIZES["1:1"], steps=steps, batch=count)
        best = min(best, (time.perf_counter() - start) / count)
    return round(best, 3)


def random_captions(count: int, seed: int = 2026) -> tuple[list[str], list[int]]:
    """Captions and seeds of the sheet of unchosen pictures."""
    scenes = [draw_scene(FIRST_SEED + 90_000 + seed + i, "1:1", unseen=i % 2 == 0) for i in range(count)]
    return [caption(s, np.random.default_rng([seed, i])) for i, s in enumerate(scenes)], [s.seed for s in scenes]


def _start(model: Path) -> None:
    torch.set_num_threads(1)
    HELD.append(Made(load(model), reader.restore()))


def _work(task: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
    function, arguments = task
    return function(HELD[0], *arguments)


def own_accuracy(made: Made, count: int) -> dict[str, float]:
    """The reader's accuracy on drawn scenes of the captions that are judged: the most that a model can reach."""
    one = [s for ratio in SIZES for s in of_ratio(ratio, count)]
    mixed = [draw_scene(FIRST_SEED + 95_000 + i, unseen=i % 8 == 0) for i in range(3 * count)]
    return {
        **reader.on_drawn(made.eye, one, (*reader.JUDGED, "clouds", "weather")),
        **reader.on_drawn(made.eye, mixed, ("distance",)),
        **reader.on_drawn(made.eye, of_two(2 * count), ()),
    }


def _coder(made: Made, count: int) -> dict[str, float]:
    return through_autoencoder(made.pipe.vae, count)


def all_ratios(found: dict[str, Pairs]) -> dict[str, Any]:
    """Accuracy over all ratios, per ratio, and with the captions shuffled between pictures."""
    seen = [s for mine, _ in found.values() for s in mine]
    wanted = [w for _, want in found.values() for w in want]
    order = np.random.default_rng(1).permutation(len(wanted))
    return {
        "pictures": len(seen),
        "all": reader.accuracy(seen, wanted),
        "shuffled": reader.accuracy(seen, [wanted[int(i)] for i in order]),
        "ratios": {ratio: reader.accuracy(*both) for ratio, both in found.items()},
    }


def judge(model: Path, pictures: int, few: int, workers: int = 2) -> dict[str, Any]:
    """All results, by several processes of one thread each."""
    tasks: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "reader": (own_accuracy, (-(-pictures // len(SIZES)),)),
        "autoencoder": (_coder, (120,)),
        "diversity": (diversity, (8,)),
        "two": (two_subjects, (few * 2,)),
        "alone": (subject_alone, (few * 2,)),
        "distances": (distances, (few,)),
        "sharpness": (sharp_generated, (few,)),
        **{f"ratio {r}": (one_ratio, (r, -(-pictures // len(SIZES)))) for r in SIZES},
        **{f"guidance {g:g}": (one_guidance, (g, few)) for g in GUIDANCES},
        **{f"steps {n}": (one_count, (n, few)) for n in COUNTS},
        # Unasked, clouds are in few pictures, so that more are made.
        **{f"negative {case[1]}": (one_negative, (case, (2 + 4 * (case[1] == "clouds")) * few)) for case in NEGATIVES},
    }
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (model,)) as pool:
        for name, result in zip(tasks, pool.map(_work, tasks.values()), strict=True):
            found[name] = result
            say(f"{name}: done")
    results = {k: found[k] for k in ("reader", "autoencoder", "diversity", "two", "alone", "distances", "sharpness")}
    results["generated"] = all_ratios({r: found[f"ratio {r}"] for r in SIZES})
    results["guidances"] = {f"{g:g}": found[f"guidance {g:g}"] for g in GUIDANCES}
    results["step_counts"] = {str(n): found[f"steps {n}"] for n in COUNTS}
    results["negatives"] = [found[f"negative {case[1]}"] for case in NEGATIVES]
    return results


def main(arguments: list[str] | None = None) -> None:
    """Judge and write the results."""
    parser = argparse.ArgumentParser(prog="python -m training.second.judge", description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=320, help="generated pictures over all ratios")
    more = "pictures per guidance, number of steps and distance; twice as many of two subjects and per negative prompt"
    parser.add_argument("--few", type=int, default=20, help=more)
    parser.add_argument("--train-reader", type=int, metavar="STEPS", help="fit the reader first")
    parser.add_argument("--bfloat16", action="store_true", help="fit it so; for processors that have it natively")
    parser.add_argument("--work", type=Path, default=Path(".train/reader2"), help="folder for the reader's checkpoint")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "judged.json", help="results")
    parser.add_argument("--sheet", type=Path, default=Path("docs/images/small_random.webp"), help="40 pictures")
    options = parser.parse_args(arguments)
    if options.train_reader:
        torch.set_num_threads(1)
        how = {"workers": options.workers, "bfloat16": options.bfloat16, "say": say}
        reader.train(options.work, pick_device(), steps=options.train_reader, **how)
    results: dict[str, Any] = {"sampler": "DPM++ 2M Karras", "steps": STEPS, "guidance": GUIDANCE}
    results |= judge(options.model, options.pictures, options.few, options.workers)
    results["seconds_per_picture"] = seconds_per_picture(load(options.model), STEPS)
    texts, seeds = random_captions(40)
    results["sheet"] = texts
    made = Made(load(options.model), reader.restore()).render(texts, seeds)
    sheet(made, 8).save(options.sheet, quality=85, method=6)
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    say(json.dumps(results["generated"]))


if __name__ == "__main__":
    main()
