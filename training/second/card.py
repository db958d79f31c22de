"""Writes the model card of the second generation from what was recorded and judged:  python -m training.second.card"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from training.card import accuracies, table
from training.second import bars
from training.second.scene import BACKDROPS, COLOURS, SKIES, SUBJECTS, WEATHERS

FOLDER = Path(__file__).parent
MODEL = FOLDER.parents[1] / "src" / "sdbatch" / "models" / "small"
TEMPLATE, RECORD, RESULTS = (FOLDER / name for name in ("card.md", "record.json", "judged.json"))
NEGATIVE_COLUMNS = ("prompt", "negative", "named", "before", "after", "removed")


def card(results: dict[str, Any], record: dict[str, Any], digest: dict[str, Any]) -> str:
    """The text of the card."""
    text = TEMPLATE.read_text(encoding="utf-8")
    for key, value in {**record, **_facts(results, digest)}.items():
        text = text.replace("{{" + key + "}}", str(value))
    return text


def _facts(results: dict[str, Any], digest: dict[str, Any]) -> dict[str, Any]:
    generated, sharpness = results["generated"], results["sharpness"]
    films = results["films"]
    return {
        "digest": digest["sha256"],
        "megabytes": f"{digest['weights_bytes'] / 1e6:.1f}",
        "pictures": generated["pictures"],
        "sampler": f"{results['sampler']}, {results['steps']} steps, guidance {results['guidance']:g}",
        "bars": bars.table(bars.rows(results)),
        "judged": _judged(results),
        "ratios": accuracies("ratio", generated["ratios"]),
        "guidances": accuracies("guidance", results["guidances"]),
        "steps": accuracies("steps", results["step_counts"]),
        "negatives": table(
            ["prompt", "negative prompt", "in the prompt %", "without %", "as the negative %", "removed %"],
            [[n[key] for key in NEGATIVE_COLUMNS] for n in results["negatives"]],
        ),
        "both": results["two"]["both"],
        "sides": results["two"]["sides"],
        "distances": ", ".join(f"{name} {share} %" for name, share in results["distances"].items()),
        "edge_width": sharpness["edge_width"],
        "edge_ratio": sharpness["edge_ratio"],
        "edge_coded": results["autoencoder"]["edge_ratio"],
        "made": results["diversity"]["generated"],
        "drawn": results["diversity"]["drawn"],
        "films": table(
            ["film", *next(iter(films.values()))], [[name, *found.values()] for name, found in films.items()]
        ),
        "skies": ", ".join(SKIES),
        "backdrops": ", ".join(BACKDROPS),
        "subjects": ", ".join(SUBJECTS),
        "colours": ", ".join(COLOURS),
        "weathers": ", ".join(WEATHERS),
        "captions": "\n".join(f"{i + 1}. {text}" for i, text in enumerate(results["sheet"])),
    }


def _judged(results: dict[str, Any]) -> str:
    generated = results["generated"]
    rows = {
        "drawn scenes, unseen (the reader itself)": results["reader"],
        f"generated ({generated['pictures']})": generated["all"],
        "generated, captions shuffled (chance)": generated["shuffled"],
    }
    return accuracies("", rows)


def main(arguments: list[str] | None = None) -> None:
    """Write README.md into the model folder."""
    parser = argparse.ArgumentParser(prog="python -m training.second.card", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    options = parser.parse_args(arguments)
    inputs = [json.loads(p.read_text(encoding="utf-8")) for p in (RESULTS, RECORD, options.model / "digest.json")]
    (options.model / "README.md").write_text(card(*inputs), encoding="utf-8")


if __name__ == "__main__":
    main()
