"""The study of docs/research.md, from the question to the crate:   make study

Renders docs/study/guidance.yaml, measures its pictures (task=csv), computes means and intervals, writes the figures and
the table of docs/research.md, and publishes the crate into publish/.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "docs" / "study" / "guidance.yaml"
DOCUMENT, CHART, SHEET = (ROOT / "docs" / name for name in ("research.md", "images/study.svg", "images/study.webp"))
BEGIN, END = "<!-- make study -->", "<!-- end -->"
RECORDS = Path("outputs/guidance_study/records.csv")
MEASURES = ("colour", "sharpness", "edges", "diversity")
RESAMPLES = 2000
GUIDANCE = "axis:sampling.guidance"
Row = dict[str, str]


class Estimate(NamedTuple):
    """A mean, its difference from that of the first guidance, and the interval of the difference."""

    mean: float
    difference: float
    low: float
    high: float


def main() -> int:
    """Run the tasks, then write what the document shows."""
    for more in ([], ["task=csv", "csv.measures=true"], ["task=sheet"], ["task=publish"]):
        subprocess.run([sys.executable, "-m", "sdbatch", str(STUDY), *more], check=True)  # noqa: S603
    with RECORDS.open(encoding="utf-8", newline="") as f:
        found = estimates(list(csv.DictReader(f)))
    CHART.write_text(chart(found), "utf-8")
    with Image.open(RECORDS.with_name("sheet.png")) as sheet:
        sheet.thumbnail((720, 720))
        sheet.save(SHEET, quality=80, method=6)
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{rest.partition(END)[2]}", "utf-8")
    return 0


def estimates(rows: Sequence[Row]) -> dict[str, dict[str, Estimate]]:
    """By measure and guidance: the mean over all pictures, and how it differs from the first guidance.

    Pictures are paired by prompt and seed. The interval of the difference is a bootstrap over prompts, because pictures
    of one prompt are alike: it says what to expect of other prompts of this kind.
    """
    values = list(dict.fromkeys(row[GUIDANCE] for row in rows))
    out: dict[str, dict[str, Estimate]] = {}
    for measure in MEASURES:
        means = {value: _means([r for r in rows if r[GUIDANCE] == value], measure) for value in values}
        out[measure] = {value: _estimate(means[value], means[values[0]]) for value in values}
    return out


def _means(rows: Sequence[Row], measure: str) -> NDArray[np.float64]:
    """The mean of each prompt."""
    by_prompt: dict[str, list[float]] = {}
    for row in rows:
        by_prompt.setdefault(row["axis:prompts"], []).append(float(row[f"measure:{measure}"]))
    return np.array([np.mean(values) for values in by_prompt.values()])


def _estimate(means: NDArray[np.float64], first: NDArray[np.float64]) -> Estimate:
    draws = np.random.default_rng(0).integers(0, len(means), (RESAMPLES, len(means)))
    low, high = np.quantile((means - first)[draws].mean(axis=1), [0.025, 0.975])
    return Estimate(float(means.mean()), float((means - first).mean()), float(low), float(high))


def table(found: dict[str, dict[str, Estimate]]) -> str:
    """Means with the intervals of their differences, a row for each guidance."""
    lines = [("guidance", *MEASURES), ("--:",) * (len(MEASURES) + 1)]
    for guidance in next(iter(found.values())):
        lines.append((guidance, *(_cell(found[m][guidance]) for m in MEASURES)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(estimate: Estimate) -> str:
    if estimate.low == estimate.high == 0:  # the first guidance, from which the others differ
        return f"{estimate.mean:.3g}"
    return f"{estimate.mean:.3g} ({estimate.low:+.2g} to {estimate.high:+.2g})"


def chart(found: dict[str, dict[str, Estimate]]) -> str:
    """An SVG with a panel for each measure: differences from the first guidance, intervals as bars."""
    width, height = 240, 190
    panels = (_panel(m, found[m], i * width, width, height) for i, m in enumerate(found))
    style = "text{font:12px sans-serif;fill:#444}path{fill:none;stroke:#b03a2e;stroke-width:2}line{stroke:#888}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width * len(found)} {height}">'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return f"{head}<style>{style}</style>{ground}{''.join(panels)}</svg>\n"


def _panel(measure: str, points: dict[str, Estimate], left: int, width: int, height: int) -> str:
    xs, ys = [float(guidance) for guidance in points], [v for p in points.values() for v in (p.low, p.high)]
    bottom, top = min(0.0, *ys), max(0.0, *ys)
    x = _scale(min(xs), max(xs), left + 56, left + width - 14)
    y = _scale(bottom, top, height - 40, 28)
    places = [(x(at), y(p.difference), y(p.low), y(p.high)) for at, p in zip(xs, points.values(), strict=True)]
    line = "M" + "L".join(f"{px:.1f},{py:.1f}" for px, py, _, _ in places)
    bars = _lines((px, low, px, high) for px, _, low, high in places)
    dots = "".join(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="#b03a2e"/>' for px, py, _, _ in places)
    axes = _lines([(left + 50, y(0), left + width - 10, y(0)), (left + 50, y(bottom), left + 50, y(top))])
    ticks = "".join(f'<text x="{x(at):.1f}" y="{height - 22}" text-anchor="middle">{at:g}</text>' for at in xs)
    marks = "".join(
        f'<text x="{left + 46}" y="{y(v) + 4:.1f}" text-anchor="end">{v:+.2g}</text>' for v in (bottom, top) if v
    )
    names = (
        f'<text x="{left + 56}" y="16">{measure}</text><text x="{left + width - 66}" y="{height - 6}">guidance</text>'
    )
    return f'{axes}{bars}<path d="{line}"/>{dots}{ticks}{marks}{names}'


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _lines(places: Iterable[tuple[float, float, float, float]]) -> str:
    return "".join(f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"/>' for a, b, c, d in places)


if __name__ == "__main__":
    sys.exit(main())
