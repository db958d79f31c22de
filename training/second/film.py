"""Judges a zoom film by its frames alone:  python -m training.second.film film.mp4 --zoom 1 8

The film must go from the first zoom to the second at constant speed (equal times, equal factors), without pan.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from training.second import reader, sharpness


def frames_of(path: Path) -> list[np.ndarray]:
    """The frames of a film, each (height, width, 3)."""
    stream = imageio_ffmpeg.read_frames(str(path))
    width, height = next(stream)["size"]
    return [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in stream]


def middle_and_ring(picture: np.ndarray) -> tuple[float, float]:
    """Edge width in the middle half of a picture, and in its upper and lower quarters."""
    quarter = picture.shape[0] // 4
    inner, top, low = picture[quarter:-quarter], picture[:quarter], picture[-quarter:]
    ring = np.nanmean([sharpness.edge_width(top), sharpness.edge_width(low)])
    return sharpness.edge_width(inner), float(ring)


def consistency(frames: Sequence[np.ndarray], zooms: Sequence[float], factor: float = 2.0) -> dict[str, float]:
    """Whether a film shows one scene.

    - `nested`: how well a frame shows the middle of the one at 1 / factor of its zoom (mean and worst; 1 is perfectly)
    - `echo`: how much a frame has its edges where that frame had them, as when the subject contains itself (mean; drawn
      scenes have about 0.1)
    - `jump`: the largest mean difference between neighbouring frames, over the usual one
    - `edge_width`: over all frames; `ring_ratio`: the outer parts' beside the middle's
    """
    logs = np.log(np.asarray(zooms, float))
    pairs = [(int(np.abs(logs - (log - np.log(factor))).argmin()), j) for j, log in enumerate(logs)]
    pairs = [(i, j) for i, j in pairs if abs(logs[j] - logs[i] - np.log(factor)) < 0.05]
    nested = [sharpness.nested(frames[i], frames[j], float(zooms[j] / zooms[i])) for i, j in pairs]
    again = [sharpness.echo(frames[i], frames[j]) for i, j in pairs]
    steps = [float(np.abs(a.astype(float) - b).mean()) for a, b in pairwise(frames)]
    widths = np.array([middle_and_ring(frame) for frame in frames[:: max(1, len(frames) // 24)]])
    inner, ring = np.nanmean(widths, axis=0)
    return {
        "nested_mean": round(float(np.mean(nested)), 3),
        "nested_worst": round(float(np.min(nested)), 3),
        "echo": round(float(np.mean(again)), 3),
        "jump": round(max(steps) / max(1e-6, float(np.median(steps))), 2),
        "edge_width": round(float(np.nanmean(widths)), 2),
        "ring_ratio": round(float(ring / inner), 2),
    }


def comes_near(seen: Sequence[dict[str, str]], zooms: Sequence[float], start: float) -> float:
    """The share of frames, from zoom `start` on, of which the reader says that the camera is near (in percent)."""
    deep = [s["distance"] in ("near", "close", "detail") for s, zoom in zip(seen, zooms, strict=True) if zoom >= start]
    return round(100 * sum(deep) / max(1, len(deep)), 1)


def main(arguments: list[str] | None = None) -> None:
    """Print the measures of films."""
    parser = argparse.ArgumentParser(prog="python -m training.second.film", description=__doc__)
    parser.add_argument("films", type=Path, nargs="+")
    parser.add_argument("--zoom", type=float, nargs=2, required=True, metavar=("FROM", "TO"))
    parser.add_argument("--into", type=Path, help="a JSON file of results that gets them as `films`")
    options = parser.parse_args(arguments)
    films, eye = {}, reader.restore()
    first, last = options.zoom
    for path in options.films:
        frames = frames_of(path)
        zooms = np.geomspace(first, last, len(frames)).tolist()
        found = consistency(frames, zooms)
        found["comes_near"] = comes_near(reader.read(eye, frames), zooms, 3 * zooms[0])
        print(path, json.dumps(found))
        films[path.stem.split("-")[0]] = found
    if options.into:
        results = json.loads(options.into.read_text(encoding="utf-8")) | {"films": films}
        options.into.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
