"""sdbatch: declarative, reproducible batch rendering with Stable Diffusion.

The names in ``__all__`` are the public API; see ``sdbatch.api``. They are imported at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sdbatch.version import __version__

if TYPE_CHECKING:
    from sdbatch.api import Experiment, Plan, Result, load
    from sdbatch.errors import ConfigError, Interrupted, RenderError, SdbatchError, StoreError

_API = ("Experiment", "Plan", "Result", "load")
_ERRORS = ("ConfigError", "Interrupted", "RenderError", "SdbatchError", "StoreError")
__all__ = [
    "ConfigError",
    "Experiment",
    "Interrupted",
    "Plan",
    "RenderError",
    "Result",
    "SdbatchError",
    "StoreError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(import_module("sdbatch.api"), name)
    if name in _ERRORS:
        return getattr(import_module("sdbatch.errors"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
