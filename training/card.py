"""Writes the model card from what was recorded and judged:  python -m training.card"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from training import scene
from training.judge import RESULTS
from training.reader import JUDGED
from training.render import MODEL

TEMPLATE = Path(__file__).parent / "card.md"
RECORD = Path(__file__).parent / "record.json"
ATTRIBUTES = ("skies", "backdrops", "subjects", "colours", "weathers")
BARS = {"sky": 97, "backdrop": 90, "subject": 90, "colour": 85}


def table(head: list[str], rows: list[list[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def accuracies(first: str, rows: dict[str, dict[str, float]]) -> str:
    """A table with one row per name and one column per judged attribute."""
    return table([first, *(f"{name} %" for name in JUDGED)], [[k, *(v[n] for n in JUDGED)] for k, v in rows.items()])


def bars(results: dict[str, Any]) -> str:
    """What was aimed at, and what was reached."""
    reached, ratios = results["generated"]["all"], results["generated"]["ratios"]
    rows = [[name, f"≥ {bar} %", f"{reached[name]} %", _tick(reached[name] >= bar)] for name, bar in BARS.items()]
    worst = max(ratios["1:1"][n] - v[n] for v in ratios.values() for n in JUDGED)
    rows.append(["every ratio beside 1:1", "within 5 points", f"worst {worst:.1f} points below", _tick(worst <= 5)])
    psnr = results["autoencoder"]["psnr_db"]
    rows.append(["autoencoder", "≥ 30 dB", f"{psnr} dB", _tick(psnr >= 30)])
    seconds = results["seconds_per_picture"]
    rows.append(
        ["one picture of 20 steps in a batch of 8, two threads", "well under 1 s", f"{seconds} s", _tick(seconds < 0.8)]
    )
    return table(["what", "bar", "reached", ""], rows)


def _tick(good: bool) -> str:
    return "yes" if good else "missed"


def facts(results: dict[str, Any], digest: dict[str, Any]) -> dict[str, Any]:
    """What the cards of both generations say, by its name in their templates."""
    generated = results["generated"]
    return {
        "digest": digest["sha256"],
        "megabytes": f"{digest['weights_bytes'] / 1e6:.1f}",
        "pictures": generated["pictures"],
        "ratios": accuracies("ratio", generated["ratios"]),
        "guidances": accuracies("guidance", results["guidances"]),
        "made": results["diversity"]["generated"],
        "drawn": results["diversity"]["drawn"],
        "sampler": f"{results['sampler']}, {results['steps']} steps, guidance {results['guidance']:g}",
        "captions": "\n".join(f"{i + 1}. {text}" for i, text in enumerate(results["sheet"])),
    }


def judged(results: dict[str, Any]) -> str:
    """The accuracies of drawn scenes, of generated pictures, and by chance."""
    generated, coded = results["generated"], results["autoencoder"].get("accuracy")
    rows = {
        "drawn scenes, unseen (the reader itself)": results["reader"],
        **({"drawn scenes through the autoencoder": coded} if coded else {}),
        f"generated ({generated['pictures']})": generated["all"],
        "generated, captions shuffled (chance)": generated["shuffled"],
    }
    return accuracies("", rows)


def words(scene: ModuleType) -> dict[str, str]:
    """The attributes of the scenes that the painter draws."""
    return {name: ", ".join(getattr(scene, name.upper())) for name in ATTRIBUTES}


def filled(template: Path, values: dict[str, Any]) -> str:
    """The template with the values in place of their names in double braces."""
    text = template.read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", str(value))
    return text


def card(results: dict[str, Any], record: dict[str, Any], digest: dict[str, Any]) -> str:
    """The text of the card."""
    negatives = table(
        ["prompt", "negative prompt", "seen without it %", "seen with it %"],
        [[n["prompt"], n["negative"], n["before"], n["after"]] for n in results["negatives"]],
    )
    own = {"bars": bars(results), "judged": judged(results), "negatives": negatives}
    return filled(TEMPLATE, record | facts(results, digest) | words(scene) | own)


def write(model: Path, make: Callable[..., str], *sources: Path) -> None:
    """Write the card that `make` gives for the JSON `sources` and the model's digest into the folder of the model."""
    inputs = [json.loads(p.read_text(encoding="utf-8")) for p in (*sources, model / "digest.json")]
    (model / "README.md").write_text(make(*inputs), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Write README.md into the model folder."""
    parser = argparse.ArgumentParser(prog="python -m training.card", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    write(parser.parse_args(arguments).model, card, RESULTS, RECORD)


if __name__ == "__main__":
    main()
