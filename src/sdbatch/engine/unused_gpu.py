"""Explains why a GPU in this machine is not used: a CPU build of torch, an old driver, or hidden devices."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import torch

NODE = Path("/dev/nvidia0")
DRIVER = Path("/proc/driver/nvidia/version")
OLDEST = {"11": 450, "12": 525, "13": 580}  # minimum driver by major version of CUDA (NVIDIA's compatibility guide)


def unused_gpu() -> str:
    """Why torch does not use the NVIDIA GPU in this machine; empty if there is none."""
    return f"the GPU in this machine is not used: {_why()}" if _present() else ""


def _present() -> bool:
    return NODE.exists() or "GPU 0" in _nvidia_smi("-L")


def _why() -> str:
    cuda, driver = torch.version.cuda, _driver()
    if cuda is None:
        return f"torch {torch.__version__} is built without CUDA (install a CUDA build of torch)"
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return f"CUDA_VISIBLE_DEVICES={visible!r} leaves no usable device"
    oldest = OLDEST.get(cuda.split(".")[0])
    if driver and oldest and int(driver.split(".")[0]) < oldest:
        return f"its driver {driver} is too old for torch's CUDA {cuda} (needs {oldest} or newer)"
    return f"CUDA {cuda} does not start with {f'driver {driver}' if driver else 'its driver'}: {_refusal()}"


def _driver() -> str:
    """The driver's version, or the empty string."""
    try:
        text = DRIVER.read_text("utf-8", "replace")
    except OSError:
        text = _nvidia_smi("--query-gpu=driver_version", "--format=csv,noheader")
    found = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", text)
    return found[1] if found else ""


def _refusal() -> str:
    """CUDA's own error message."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as e:
        return str(e).strip().split("\n")[0].split(". ")[0][:200]
    return "no device is available"


def _nvidia_smi(*arguments: str) -> str:
    """The output of nvidia-smi; empty if it is not installed."""
    if (program := shutil.which("nvidia-smi")) is None:
        return ""
    try:
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603  (no shell)
    except (OSError, subprocess.SubprocessError):
        return ""
