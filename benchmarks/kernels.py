"""The device's own time: kernels as the profiler saw them. Gaps in which a late host left the card idle do not count.

Times between two CUDA events include those gaps, so events cannot distinguish a busy card from an idle one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile


class Kernel(NamedTuple):
    """One kernel or copy; microseconds."""

    name: str
    start: float
    end: float


def record(call: Callable[[], Any]) -> list[Kernel]:
    """What ran on the card during ``call``. Without CUDA the CPU's operators, for rehearsals."""
    cuda = torch.cuda.is_available()
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as found:
        call()
        if cuda:
            torch.cuda.synchronize()
    return chosen(found.events(), DeviceType.CUDA if cuda else DeviceType.CPU)


def chosen(events: Iterable[Any], kind: DeviceType) -> list[Kernel]:
    """The events of one kind of device without the ranges that code (torch.compile's, too) marks by name."""
    mine = (e for e in events if e.device_type == kind and not e.is_user_annotation)
    return [Kernel(e.name, e.time_range.start, e.time_range.end) for e in mine]


def milliseconds(kernels: Iterable[Kernel]) -> float:
    """Time in which at least one of them ran: kernels of two streams at once count once."""
    total, until = 0.0, float("-inf")
    for kernel in sorted(kernels, key=lambda k: k.start):
        total += max(0.0, kernel.end - max(kernel.start, until))
        until = max(until, kernel.end)
    return total / 1e3


def longest(kernels: Iterable[Kernel], count: int = 30) -> list[tuple[str, int, float]]:
    """(name, launches, milliseconds) of the kernels that take most of the time."""
    by_name: dict[str, list[float]] = {}
    for kernel in kernels:
        by_name.setdefault(kernel.name[:90], []).append((kernel.end - kernel.start) / 1e3)
    rows = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:count]
    return [(name, len(times), round(sum(times), 3)) for name, times in rows]


def share(run: Callable[[], float]) -> dict[str, float]:
    """How busy the card is during ``run``, which returns its seconds.

    It runs twice: the profiler slows the host down, so the seconds are taken without it.
    """
    seconds = run()
    kernels = milliseconds(record(run)) / 1e3
    return {
        "wall_seconds": round(seconds, 3),
        "kernel_seconds": round(kernels, 3),
        "kernel_share": round(kernels / seconds, 4),
    }
