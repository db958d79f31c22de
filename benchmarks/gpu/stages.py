"""The stages by name: what each measures, how long it takes and with which environment. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

LEAST = 60  # seconds that a stage may always take


@dataclass(frozen=True, slots=True)
class Stage:
    """``function`` is module:name in this folder; it takes a Bench and ``options`` and returns what is written.

    ``seconds``: an estimate for an H100, opening the model included. ``environment`` is added to the process's.
    """

    name: str
    function: str
    seconds: int
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def limit(self) -> int:
        """Seconds after which the stage is ended."""
        return max(LEAST, 3 * self.seconds)

    @property
    def about(self) -> str:
        """The first line of its documentation."""
        return str(self._resolved().__doc__).split("\n", 1)[0]

    def __call__(self, bench: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._resolved()(bench, **self.options)
        return found

    def _resolved(self) -> Any:
        module, name = self.function.split(":")
        return getattr(import_module(f"benchmarks.gpu.{module}"), name)


_MODE_B = {"TORCH_CUDNN_USE_HEURISTIC_MODE_B": "1"}

# In the order in which they run: the most informative first. The seconds were never measured: see docs/cuda.md.
STAGES: Mapping[str, Stage] = MappingProxyType(
    {
        stage.name: stage
        for stage in (
            Stage("device", "basics:device", 10),
            Stage("flags", "basics:flags", 15),
            Stage("calls", "calls:by_rows", 35),
            Stage("bits", "calls:bits", 35),
            Stage("vae", "calls:vae", 20),
            Stage("pictures", "pictures:uniform", 45),
            Stage("kernels", "profiles:kernels", 40),
            Stage("compile", "compiled:compiled", 150),
            Stage("diffusers", "others:eager", 70),
            Stage("diffusers_compiled", "others:compiled", 130),
            Stage("chain", "pictures:chain", 20),
            Stage("mixed", "pictures:mixed", 40),
            Stage("diffusers_mixed", "others:mixed", 90),
            Stage("attention", "ideas:attention", 20),
            Stage("graph", "ideas:graph", 25),
            Stage("inexact", "pictures:inexact", 60),
            *(Stage(f"card_{gb}gb", "pictures:card", 30, {"gigabytes": gb}) for gb in (8, 6, 4)),
            Stage("calls_mode_b", "calls:by_rows", 35, environment=_MODE_B),
        )
    }
)
