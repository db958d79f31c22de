"""What torch's errors mean: out of memory in its several forms, and a GPU that can do nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from sdbatch.errors import DeviceLost, RenderError

MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",  # the driver's own, outside torch's allocator
    "MPS backend out of memory",
    "unable to find an engine",  # cuDNN: no algorithm got the workspace that it asked for
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller call may succeed. torch raises OutOfMemoryError only for its own allocator's failures."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in MEMORY)


def is_lost(error: BaseException) -> bool:
    """Whether every later call fails too: CUDA's errors stay with the process (illegal access, a card that is gone)."""
    return isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error)


def reason(error: BaseException) -> str:
    """The first sentence of torch's message."""
    return str(error).strip().split("\n")[0].split(". ")[0][:200]


def device_lost(error: BaseException) -> DeviceLost:
    return DeviceLost(f"the GPU stopped working: {reason(error)}\n  what is done is kept; the same command goes on")


def in_words(error: Exception) -> RenderError | None:
    """What to raise for ``error`` while a model is being opened, if it is the device's."""
    if is_out_of_memory(error):
        hint = "end what else uses the GPU, or use runtime.rows=4 or runtime.device=cpu"
        return RenderError(f"out of memory while the model was loaded: {reason(error)}\n  {hint}")
    return device_lost(error) if is_lost(error) else None


def ooms(device: torch.device) -> int:
    """How often torch's allocator has refused memory on ``device`` (0 where it keeps no count). Waits for nothing."""
    return int(torch.cuda.memory_stats_as_nested_dict(device).get("num_ooms", 0)) if device.type == "cuda" else 0


@contextmanager
def watched(count: Callable[[], int]) -> Iterator[None]:
    """Raises OutOfMemoryError where ``count`` rose although the block came back.

    cuDNN catches the allocator's error and takes its next algorithm, whose bits are others.
    """
    before = count()
    yield
    if count() > before:
        raise torch.OutOfMemoryError("memory ran out inside a call, which went on with another algorithm")
