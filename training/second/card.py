"""Writes the model card of the second generation from what was recorded and judged:  python -m training.second.card"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training.card import accuracies, facts, filled, judged, table, words, write
from training.second import bars, scene

FOLDER = Path(__file__).parent
MODEL = FOLDER.parents[1] / "src" / "sdbatch" / "models" / "small"
TEMPLATE, RECORD, RESULTS = (FOLDER / name for name in ("card.md", "record.json", "judged.json"))
NEGATIVE_COLUMNS = ("prompt", "negative", "named", "before", "after", "removed")


def card(results: dict[str, Any], record: dict[str, Any], digest: dict[str, Any]) -> str:
    """The text of the card."""
    return filled(TEMPLATE, record | facts(results, digest) | words(scene) | _own(results))


def _own(results: dict[str, Any]) -> dict[str, Any]:
    """What this card says beyond that of the first generation."""
    films, sharpness = results["films"], results["sharpness"]
    return {
        "bars": bars.table(bars.rows(results)),
        "judged": judged(results),
        "steps": accuracies("steps", results["step_counts"]),
        "negatives": table(
            ["prompt", "negative prompt", "in the prompt %", "without %", "as the negative %", "removed %"],
            [["–" if n[key] is None else n[key] for key in NEGATIVE_COLUMNS] for n in results["negatives"]],
        ),
        "both": results["two"]["both"],
        "sides": results["two"]["sides"],
        "pairs": results["reader"]["sides"],
        "pair_colours": results["two"]["colours"],
        "drawn_colours": results["reader"]["colours"],
        "alone": results["alone"]["subject"],
        "one": results["alone"]["one"],
        "distances": ", ".join(f"{name} {share} %" for name, share in results["distances"].items()),
        "edge_width": sharpness["edge_width"],
        "edge_ratio": sharpness["edge_ratio"],
        "edge_coded": results["autoencoder"]["edge_ratio"],
        "perceptual": results["autoencoder"].get("st_lpips", "not measured"),
        "films": table(
            ["film", *next(iter(films.values()))], [[name, *found.values()] for name, found in films.items()]
        ),
    }


def main(arguments: list[str] | None = None) -> None:
    """Write README.md into the model folder."""
    parser = argparse.ArgumentParser(prog="python -m training.second.card", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    write(parser.parse_args(arguments).model, card, RESULTS, RECORD)


if __name__ == "__main__":
    main()
