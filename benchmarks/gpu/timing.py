"""Milliseconds of a call on a device that works ahead of the host."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import torch

WARM = 3


def wait() -> None:
    """Until the card has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(call: Callable[[], Any], repeats: int, warm: int = WARM) -> dict[str, float]:
    """Milliseconds: ``alone`` (the card idle before), ``host`` (until launched), ``stream`` (each of many in a row).

    A run sees ``stream``; where it is not longer than ``host`` the card waits for the host.
    """
    for _ in range(min(warm, repeats)):
        call()
    wait()
    alone, host = zip(*(_one(call) for _ in range(repeats)), strict=True)
    began = perf_counter()
    for _ in range(repeats):
        call()
    wait()
    stream = (perf_counter() - began) / repeats
    return {
        name: round(s * 1e3, 2) for name, s in (("alone", median(alone)), ("host", median(host)), ("stream", stream))
    }


def _one(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds (until done, until launched)."""
    began = perf_counter()
    call()
    launched = perf_counter() - began
    wait()
    return perf_counter() - began, launched
