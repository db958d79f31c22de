"""Judges the shipped LoRAs and the textual inversion, and writes their cards:  python -m training.judge_loras

Rendered by sdbatch itself, from captions of combinations that were kept out of training. The measure of a style
(``training.styles``) must rise with the weight, and the reader must still see what was asked for.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import sdbatch
from training import styled_reader
from training.judge import FIRST_SEED
from training.loras import RECIPES, SHIPPED, WORD, Painter
from training.render import MODEL
from training.styles import STYLES
from training.train import say

WEIGHTS = (0.0, 0.3, 0.6, 0.9, 1.2)
SAMPLING = {"sampler": "dpmpp_2m_karras", "steps": 16, "guidance": 5}
RESULTS = Path(__file__).parent / "judged_loras.json"
Pictures = list[np.ndarray]
_ABOUT = {
    "ink": "washes of ink on paper: greys with darker outlines",
    "autumn": "autumn colours: green becomes orange and brown, blue becomes sand",
    "pixel": "a mosaic: squares of 8 pixels, each of one colour",
}
_MEASURES = {
    "ink": "share of pixels without colour",
    "autumn": "share of pixels that are neither green nor blue",
    "pixel": "share of changes that lie between squares of the grid (1/8 without a style)",
}
_LAYOUTS = {"kohya": "kohya's (LoCon)", "loha": "LyCORIS' LoHa", "diffusers": "diffusers'"}


def rendered(data: dict[str, Any], model: Path) -> Iterator[tuple[Any, np.ndarray]]:
    """Each job of an experiment with its picture."""
    with tempfile.TemporaryDirectory() as folder:
        whole = {"canvas": ["1:1"], "gallery": {"enabled": False}, "output": {"folder": folder}, "sampling": SAMPLING}
        whole |= data
        own = {"kind": "tiny"} if model == MODEL else {"kind": "local", "path": str(model)}
        for result in sdbatch.load(whole | {"model": own}).plan().render():
            if result.path is None:
                raise SystemExit(f"{result.job.id} failed: {result.error}")
            yield result.job, np.array(Image.open(result.path).convert("RGB"))


def accuracy(painter: Painter, eye: Any, pictures: Pictures, scenes: Sequence[Any]) -> dict[str, float]:
    """How often the reader sees what was asked for, in percent."""
    return dict(painter.reader.accuracy(painter.reader.read(eye, pictures), [painter.reader.truth(s) for s in scenes]))


def likeness(a: Pictures, b: Pictures) -> float:
    """The mean correlation of brightness of pairs of pictures, at 32 × 32: it does not know colours."""
    found = []
    for pair in zip(a, b, strict=True):
        one, other = (np.asarray(Image.fromarray(p).convert("L").resize((32, 32)), float).ravel() for p in pair)
        found.append(float(np.corrcoef(one, other)[0, 1]))
    return round(float(np.mean(found)), 3)


def judge_style(name: str, painter: Painter, eye: Any, scenes: list[Any], model: Path) -> dict[str, Any]:
    """The measure and the reader's answers by weight, and of drawn scenes before and after they were restyled."""
    style, texts = STYLES[name], [painter.captions.plain_caption(s) for s in scenes]
    prompts = [{"id": f"p{i}", "text": text} for i, text in enumerate(texts)]
    by_weight: dict[float, dict[int, np.ndarray]] = {weight: {} for weight in WEIGHTS}
    data = {"name": name, "prompts": prompts, "loras": [{"path": name, "weight": list(WEIGHTS)}]}
    for job, picture in rendered(data, model):
        loras = job.shot.model.loras
        by_weight[loras[0].unet if loras else 0.0][texts.index(job.shot.prompt)] = picture
    drawn, plain = painter.paint(scenes), [by_weight[0.0][i] for i in range(len(texts))]
    rows, measures = [], list[float]()
    for weight, found in by_weight.items():
        pictures = [found[i] for i in range(len(texts))]
        measures.append(round(float(np.mean([style.measure(p) for p in pictures])), 3))
        row = {"weight": weight, "measure": measures[-1], "likeness": likeness(pictures, plain)}
        rows.append(row | {"read": accuracy(painter, eye, pictures, scenes)})
    restyled = [style.restyle(p) for p in drawn]
    return {
        "measure": _MEASURES[name],
        "weights": rows,
        "drawn": round(float(np.mean([style.measure(p) for p in drawn])), 3),
        "restyled": round(float(np.mean([style.measure(p) for p in restyled])), 3),
        "restyled_read": accuracy(painter, eye, restyled, scenes),
        "likeness_of_others": likeness(plain, plain[1:] + plain[:1]),
        "rises": all(a < b for a, b in pairwise(measures)),
    }


def judge_word(painter: Painter, eye: Any, scenes: list[Any], model: Path) -> dict[str, Any]:
    """How often a winter night is seen without the word, with it, and with it in the negative prompt."""
    nouns = [", ".join(painter.captions.plain_caption(s).split(", ")[:2]) for s in scenes]
    out: dict[str, Any] = {}
    for case, text, negative in (("without", "{}", ""), ("with", "{}, " + WORD, ""), ("negative", "{}", WORD)):
        prompts = [{"id": f"p{i}", "text": text.format(noun), "negative": negative} for i, noun in enumerate(nouns)]
        found = {job.shot.prompt: picture for job, picture in rendered({"name": case, "prompts": prompts}, model)}
        seen = painter.reader.read(eye, [found[text.format(noun)] for noun in nouns])
        share = {
            h: round(100 * float(np.mean([s[h] == w for s in seen])), 1)
            for h, w in (("sky", "night"), ("backdrop", "snow"))
        }
        subject = np.mean([s["subject"] == scene.subject for s, scene in zip(seen, scenes, strict=True)])
        out[case] = share | {"subject": round(100 * float(subject), 1)}
    return out


def style_card(results: dict[str, Any]) -> str:
    """The README of the LoRAs."""
    lines = [_head("three LoRAs for the embedded model"), _MADE, ""]
    for name, found in results["styles"].items():
        size = (SHIPPED / "loras" / f"{name}.safetensors").stat().st_size
        recipe = RECIPES[name]
        lines += [
            f"## {name}",
            "",
            f"{_ABOUT[name].capitalize()}. Layout: {_LAYOUTS[recipe.layout]}, rank {recipe.rank};",
        ]
        lines += [f"{recipe.steps} steps × 16 pictures; {size / 1000:.0f} kB.", ""]
        lines += ["| weight | measure | likeness | subject % | backdrop % | sky % |", "|---|---|---|---|---|---|"]
        for row in found["weights"]:
            lines.append(_line(f"{row['weight']:g}", row["measure"], row["likeness"], row["read"]))
        others = f"{found['likeness_of_others']:.2f} to another prompt"
        lines.append(_line("drawn scenes, restyled", found["restyled"], others, found["restyled_read"]))
        lines += ["", f"Measure: {found['measure']}.", ""]
    lines += [_READ.format(count=results["pictures"]), _STYLED, "", _LICENCE]
    return "\n".join(lines)


def word_card(results: dict[str, Any]) -> str:
    """The README of the textual inversion."""
    word = results["word"]
    lines = [_head(f"{WORD}: a textual inversion for the embedded model"), _WORD.format(word=WORD), ""]
    lines += ["| | night sky % | snow % | subject as prompted % |", "|---|---|---|---|"]
    names = {"without": "without the word", "with": "with the word", "negative": "the word as negative prompt"}
    lines += [f"| {names[k]} | {v['sky']} | {v['backdrop']} | {v['subject']} |" for k, v in word.items()]
    lines += ["", _READ.format(count=results["pictures"]), "", _LICENCE]
    return "\n".join(lines)


def _line(name: str, measure: float, like: float | str, read: dict[str, float]) -> str:
    alike = like if isinstance(like, str) else f"{like:.2f}"
    return f"| {name} | {measure:.2f} | {alike} | {read['subject']} | {read['backdrop']} | {read['sky']} |"


def _head(title: str) -> str:
    return f"---\nlicense: apache-2.0\ntags: [stable-diffusion, lora, tiny]\n---\n\n# {title}\n"


_MADE = """Trained by `python -m training.loras --out .train/loras` on a processor, from scenes that the project draws
itself and whose pixels are restyled (`training/styles.py`). They fit the embedded model alone.
`+experiment=lora_styles` shows them. The files of autumn and pixel come of several starts, the
first with another rate and without weight on the noisiest steps: the command gives files like these, not the same."""
_WORD = """Two vectors, in A1111's layout: a night with a moon and falling snow. Trained by
`python -m training.loras {word} --out .train/loras` from scenes that the project draws itself. Write the word in a
prompt: `a red house, {word}`."""
_READ = """{count} pictures for each line, of combinations of sky, backdrop and subject that the model never saw, read
by the attribute reader that judges the model. Figures: `training/judged_loras.json`, by
`python -m training.judge_loras`."""
_STYLED = """For this it was fitted further on restyled drawn scenes (`python -m training.styled_reader`); what it reads
of drawn scenes that it never saw is in the last line of each table. Likeness is the correlation of brightness with the
picture without a LoRA; colours do not count."""
_LICENCE = "Licence: Apache-2.0, as the model.\n"


def main(arguments: list[str] | None = None) -> None:
    """Judge, and write figures and cards."""
    parser = argparse.ArgumentParser(prog="python -m training.judge_loras", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--painter", default="training", help="package of the model's scenes")
    parser.add_argument("--pictures", type=int, default=32, help="for each weight")
    options = parser.parse_args(arguments)
    painter = Painter(options.painter)
    eye = painter.reader.restore()
    of_styles = styled_reader.restore() if options.painter == "training" else eye
    scenes = [painter.scene.draw_scene(FIRST_SEED + 120_000 + i, "1:1", unseen=True) for i in range(options.pictures)]
    scenes = list({painter.captions.plain_caption(s): s for s in scenes}.values())
    results: dict[str, Any] = {"pictures": len(scenes), "styles": {}}
    for name in STYLES:
        results["styles"][name] = found = judge_style(name, painter, of_styles, scenes, options.model)
        say(f"{name}: {[row['measure'] for row in found['weights']]}")
    results["word"] = judge_word(painter, eye, scenes, options.model)
    say(f"{WORD}: {results['word']}")
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (SHIPPED / "loras" / "README.md").write_text(style_card(results), encoding="utf-8")
    (SHIPPED / "embeddings" / "README.md").write_text(word_card(results), encoding="utf-8")


if __name__ == "__main__":
    main()
