"""Classifies torch's errors: out of memory in its several forms, and a lost GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from sdbatch.errors import DeviceLost, RenderError

MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",  # the driver's own, outside torch's allocator
    "MPS backend out of memory",
    "unable to find an engine",  # cuDNN: no algorithm got the workspace that it requested
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller call may succeed. torch raises OutOfMemoryError only for its own allocator's failures."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in MEMORY)


def is_lost(error: BaseException) -> bool:
    """Whether every later call fails too: CUDA errors such as an illegal access stay with the process."""
    return isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error)


def reason(error: BaseException) -> str:
    """The first sentence of torch's message."""
    return str(error).strip().split("\n")[0].split(". ")[0][:200]


def device_lost(error: BaseException) -> DeviceLost:
    return DeviceLost(
        f"the GPU stopped working: {reason(error)}\n  finished jobs are kept; run the same command again to resume"
    )


def user_error(error: Exception) -> RenderError | None:
    """The error for users, if the device caused ``error`` while a model was opened; else None."""
    if is_out_of_memory(error):
        hint = "end other programs that use the GPU, or use runtime.rows=4 or runtime.device=cpu"
        return RenderError(f"out of memory while the model was loaded: {reason(error)}\n  {hint}")
    return device_lost(error) if is_lost(error) else None


def ooms(device: torch.device) -> int:
    """The number of failed allocations on ``device`` (0 if torch does not count them). Does not synchronize."""
    return int(torch.cuda.memory_stats_as_nested_dict(device).get("num_ooms", 0)) if device.type == "cuda" else 0


@contextmanager
def watched(count: Callable[[], int]) -> Iterator[None]:
    """Raise OutOfMemoryError if ``count`` has increased although the block did not raise.

    cuDNN catches the allocator's error and silently uses another algorithm, with other bits.
    """
    before = count()
    yield
    if count() > before:
        raise torch.OutOfMemoryError("out of memory inside a call, which continued with another algorithm")
