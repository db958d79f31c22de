"""The machine in words, and its clock while something runs: what a figure is worth depends on both."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

FIELDS = {"clocks.sm": "sm_mhz", "power.draw": "watts", "temperature.gpu": "celsius"}
EVERY_MS = 500


def describe() -> dict[str, Any]:
    """Device, driver and versions. Starts CUDA where there is a card."""
    import torch

    cuda = torch.cuda.is_available()
    found: dict[str, Any] = {
        "type": "cuda" if cuda else "cpu",
        "name": torch.cuda.get_device_name() if cuda else _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": version("diffusers"),
    }
    return found | _card() if cuda else found


def _card() -> dict[str, Any]:
    """What decides a GPU's speed beside its name."""
    import torch

    card = torch.cuda.get_device_properties()
    return {
        "memory_gb": round(card.total_memory / 2**30, 1),
        "multiprocessors": card.multi_processor_count,
        "capability": f"{card.major}.{card.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "triton": _version("triton"),
        "driver": next(iter(smi(("driver_version",))), {}).get("driver_version"),
        "max_sm_mhz": next(iter(smi(("clocks.max.sm",))), {}).get("clocks.max.sm"),
    }


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _command(fields: tuple[str, ...], *more: str) -> list[str] | None:
    """nvidia-smi's command for the card that torch calls 0; None without nvidia-smi or a card."""
    import torch

    tool = shutil.which("nvidia-smi")
    if tool is None or not torch.cuda.is_available():
        return None
    card = f"GPU-{torch.cuda.get_device_properties().uuid}"
    return [tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits", f"--id={card}", *more]


def smi(fields: tuple[str, ...]) -> list[dict[str, str]]:
    """One reading of nvidia-smi; empty where there is none."""
    command = _command(fields)
    if command is None:
        return []
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return readings(done.stdout, fields)


def readings(text: str, fields: tuple[str, ...]) -> list[dict[str, str]]:
    """nvidia-smi's CSV as one dict a line; lines cut short and readings that the card does not give are left out."""
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return [dict(zip(fields, row, strict=True)) for row in rows if len(row) == len(fields) and "[" not in "".join(row)]


@contextmanager
def watched() -> Iterator[dict[str, Any]]:
    """SM clock, power and temperature while the block runs: {reading: [lowest, median, highest]}, filled at its end.

    nvidia-smi itself repeats the reading, so that nothing runs in this process. Empty without nvidia-smi.
    """
    found: dict[str, Any] = {}
    command = _command(tuple(FIELDS), f"--loop-ms={EVERY_MS}")
    if command is None:
        yield found
        return
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        try:
            yield found
        finally:
            process.terminate()
            process.wait()
            out.seek(0)
            found |= spread(readings(out.read(), tuple(FIELDS)))


def spread(read: list[dict[str, str]]) -> dict[str, list[float]]:
    """{reading: [lowest, median, highest]}."""
    columns = {name: [float(r[field]) for r in read] for field, name in FIELDS.items()}
    return {name: [min(v), median(v), max(v)] for name, v in columns.items() if v}


if __name__ == "__main__":
    print(json.dumps(describe()))
