"""The bars of the second generation, and in what the first one (`tiny`) is better:

python -m training.second.bars .train/second/judged.json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.judge import RESULTS
from training.reader import JUDGED


@dataclass(frozen=True)
class Row:
    """One bar: what is measured, the value, the bar, and whether more is better."""

    name: str
    value: float
    bar: float
    more: bool = True

    @property
    def reached(self) -> bool:
        """Whether the value is on the right side of the bar."""
        return self.value >= self.bar if self.more else self.value <= self.bar


def rows(found: dict[str, Any]) -> list[Row]:
    """All bars with what was reached."""
    every, ratios = found["generated"]["all"], found["generated"]["ratios"]
    worst = max(ratios["1:1"][name] - ratio[name] for ratio in ratios.values() for name in JUDGED)
    clouds = next(n for n in found["negatives"] if n["negative"] == "clouds")
    return [
        Row("sky, %", every["sky"], 97),
        Row("backdrop, %", every["backdrop"], 95),
        Row("subject, %", every["subject"], 95),
        Row("colour, %", every["colour"], 95),
        Row("every ratio beside 1:1, points below it", worst, 5, more=False),
        Row("two subjects on the right sides, %", found["two"]["sides"], 80),
        Row('"clouds" as a negative prompt removes them, %', clouds["removed"] or 0.0, 80),
        Row("autoencoder, dB", found["autoencoder"]["psnr_db"], 31),
        Row("edge width after the autoencoder, times drawn", found["autoencoder"]["edge_ratio"], 1.3, more=False),
        Row("edge width in generated pictures, times drawn", found["sharpness"]["edge_ratio"], 1.6, more=False),
        Row("seconds per picture, batch of 8, two cores", found["seconds_per_picture"], 1.2, more=False),
    ]


def worse(found: dict[str, Any], old: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Rows in which the new model is worse than the old one (new, old)."""
    pairs = {name: (found["generated"]["all"][name], old["generated"]["all"][name]) for name in JUDGED}
    pairs["autoencoder, dB"] = (found["autoencoder"]["psnr_db"], old["autoencoder"]["psnr_db"])
    return {name: both for name, both in pairs.items() if both[0] < both[1]}


def table(bars: list[Row]) -> str:
    """The bars in Markdown."""
    lines = ["| what | bar | reached | |", "| --- | --- | --- | --- |"]
    for row in bars:
        sign, tick = "≥" if row.more else "≤", "yes" if row.reached else "missed"
        lines.append(f"| {row.name} | {sign} {row.bar:g} | {row.value:g} | {tick} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Print the bars, and in what `tiny` is better."""
    parser = argparse.ArgumentParser(prog="python -m training.second.bars", description=__doc__)
    parser.add_argument("results", type=Path)
    options = parser.parse_args(arguments)
    found, old = (json.loads(path.read_text(encoding="utf-8")) for path in (options.results, RESULTS))
    print(table(rows(found)))
    for name, (new, was) in worse(found, old).items():
        print(f"worse than tiny: {name}: {new:g}, not {was:g}")


if __name__ == "__main__":
    main()
