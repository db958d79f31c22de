"""The attribute reader for restyled pictures:  python -m training.styled_reader --out .train/styled

The first reader, fitted further on drawn scenes of which three in four are restyled (``training.styles``). It judges
what pictures with the shipped LoRAs show; it never saw a generated picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import reader
from training.styles import STYLES
from training.train import say

WEIGHTS = reader.WEIGHTS.with_name("styled.safetensors")
STEPS = 800


def change(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture in one of the styles, mixed with the picture itself, or as it is."""
    names = [None, *STYLES]
    name = names[int(rng.integers(len(names)))]
    if name is None:
        return picture
    share = float(rng.uniform(0.4, 1.0)) if rng.random() < 0.5 else 1.0
    mixed: np.ndarray = np.rint(share * STYLES[name].restyle(picture) + (1 - share) * picture).astype(np.uint8)
    return mixed


def restore() -> reader.Reader:
    """The reader of restyled pictures."""
    return reader.restore(WEIGHTS)


def main(arguments: list[str] | None = None) -> None:
    """Fit it, and keep it beside the first reader."""
    parser = argparse.ArgumentParser(prog="python -m training.styled_reader", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    how: dict[str, Any] = {"weights": WEIGHTS, "start": reader.WEIGHTS, "change": change}
    reader.train(options.out, torch.device("cpu"), parts=1, steps=options.steps, say=say, **how)


if __name__ == "__main__":
    main()
