"""Transfers from the host to the device without synchronization."""

from __future__ import annotations

import torch


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``tensor`` (on the CPU) on ``device``. On CUDA through pinned memory: a plain copy would wait for all queued
    work. torch keeps the pinned block until the copy has read it."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
