"""How large the stages are, and the engine that the measurements of one stage share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from benchmarks import work
from sdbatch import engine
from sdbatch.config.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Setting:
    """Model, device, sizes and counts of every stage. ``side`` and ``buckets`` are in latent cells."""

    model: str
    device: str
    dtype: str  # of the diffusers reference
    side: int  # of the native square
    buckets: tuple[tuple[int, int], ...]  # (height, width) whose bits are compared
    pictures: int  # of the uniform sweep
    steps: int
    mixed: int  # pictures of the mixed sweep
    mixed_steps: tuple[int, int]  # fewest and most of each
    chain: int  # shots of a chain
    runs: int  # of what goes to disk; the fastest counts
    repeats: int  # of a timed call
    rows: tuple[int, ...]  # sizes of timed denoiser calls
    batches: tuple[int, ...]  # of diffusers' pipeline
    runtime: dict[str, Any] = field(default_factory=dict)  # further runtime keys


GPU = Setting(
    model="random_sd15",
    device="cuda",
    dtype="float16",
    side=64,
    buckets=((64, 64), (96, 64), (48, 85), (33, 47), (128, 128)),
    pictures=64,
    steps=30,
    mixed=60,
    mixed_steps=(10, 50),
    chain=5,
    runs=2,
    repeats=10,
    rows=(16, 2, 4, 8, 32),
    batches=(8, 16),
)
REHEARSAL = Setting(
    model="tiny",
    device="cpu",
    dtype="float32",
    side=16,
    buckets=((16, 16), (9, 13)),
    pictures=4,
    steps=2,
    mixed=2,
    mixed_steps=(1, 2),
    chain=2,
    runs=1,
    repeats=2,
    rows=(4, 2),
    batches=(2,),
    runtime={"threads": 1, "workers": 1, "rows": 4},
)


class Bench:
    """What a stage measures with. Engines stay open until the process ends, one per runtime."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._opened: dict[str, Any] = {}

    @property
    def rehearsed(self) -> bool:
        return self.setting.device == "cpu"

    def engine(self, **runtime: Any) -> Any:
        """An open :class:`sdbatch.engine.torch_engine.Engine`; its ``stats`` say what opening took."""
        key = json.dumps(runtime, sort_keys=True)
        if key not in self._opened:
            asked = Runtime(device=self.setting.device, **self.setting.runtime, **runtime)
            self._opened[key] = engine.open(work.source_of(self.setting.model), asked)
        return self._opened[key]


def opening(opened: Any) -> dict[str, float]:
    """Seconds of each part of opening an engine."""
    return {k: round(v, 2) for k, v in opened.stats.seconds.items() if k.startswith("start")}
