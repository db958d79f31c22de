"""Packs checkpoints small:  python -m training.second.pack .train/second packed

The averaged weights alone, without the optimizer's state, in half precision, in files of at most 14 MB each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from training.fit import mean_of

PARTS = ("autoencoder", "denoiser")
LIMIT = 14_000_000
IN_A_MODEL = {"autoencoder": {"vae": ""}, "denoiser": {"unet": "unet.", "text_encoder": "text_encoder."}}


def _groups(tensors: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    groups: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, value in sorted(tensors.items()):
        if size + value.nbytes > LIMIT and groups[-1]:
            groups.append({})
            size = 0
        groups[-1][name] = value
        size += value.nbytes
    return groups


def pack(folder: Path, out: Path) -> list[Path]:
    """Write the averaged weights of the checkpoints in `folder` to `out`; returns the files."""
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for part in PARTS:
        path = folder / f"{part}.safetensors"
        if not path.exists():
            continue
        with safe_open(str(path), framework="pt") as file:
            note = {key: file.metadata()[key] for key in ("step", "seconds")}
        halves = {name: value.half().contiguous() for name, value in mean_of(path).items()}
        for old in out.glob(f"{part}-*.safetensors"):
            old.unlink()
        for i, group in enumerate(_groups(halves)):
            files.append(out / f"{part}-{i}.safetensors")
            save_file(group, str(files[-1]), metadata=note)
            files[-1].chmod(0o644)
    return files


def unpacked(folder: Path, part: str) -> dict[str, torch.Tensor]:
    """The weights of a part in single precision, packed ones or those of a model folder.

    Raises FileNotFoundError where `folder` has none.
    """
    files = [(path, "") for path in sorted(folder.glob(f"{part}-*.safetensors"))] or [
        (path, prefix)
        for name, prefix in IN_A_MODEL[part].items()
        for path in sorted((folder / name).glob("*.safetensors"))
    ]
    if not files:
        raise FileNotFoundError(f"{folder} holds no {part}-*.safetensors, and is not a model folder")
    return {f"{prefix}{name}": value.float() for path, prefix in files for name, value in load_file(str(path)).items()}


def main(arguments: list[str] | None = None) -> None:
    """Pack and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m training.second.pack", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of checkpoints")
    parser.add_argument("out", type=Path)
    options = parser.parse_args(arguments)
    for path in pack(options.folder, options.out):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
