"""The error tree: what a person did wrong, and what went wrong while rendering.

    SdbatchError
    ├── ConfigError        exit 2: one or more Problems, all shown at once, nothing written
    ├── RenderError        one shot cannot be made (recorded; the others go on)
    │   └── DeviceLost     exit 1: the GPU can do nothing more; what is done stays done
    ├── StoreError         exit 1: a file cannot be written (full, read-only); what is done stays done
    └── Interrupted        exit 130: Ctrl-C or SIGTERM; the same command goes on

Jobs raise; only ``cli`` turns an error into an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: dotted ``key``, what is wrong with it, and what to do (``hint``, may be empty)."""

    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        head = f"{self.key}: {self.message}" if self.key else self.message
        return f"{head} ({self.hint})" if self.hint else head


class SdbatchError(Exception):
    """Base of everything sdbatch raises on purpose."""


class ConfigError(SdbatchError):
    """The configuration is wrong; carries every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @classmethod
    def one(cls, key: str, message: str, hint: str = "") -> ConfigError:
        return cls([Problem(key, message, hint)])


class RenderError(SdbatchError):
    """A shot cannot be rendered; its message goes into the record."""


class DeviceLost(RenderError):  # noqa: N818  (names the state of the device)
    """The device fails at everything from now on: no shot is to blame, and the run ends."""


class StoreError(SdbatchError):
    """Files cannot be read or written (disk full, no permission)."""


class Interrupted(SdbatchError):  # noqa: N818  (a wish, not an error)
    """The user asked to stop."""


def nearest(wrong: str, allowed: Iterable[str]) -> str:
    """``did you mean 'x'?`` for the closest allowed name, or the empty string."""
    return f"did you mean {found!r}?" if (found := closest(wrong, allowed)) else ""


def closest(wrong: str, allowed: Iterable[str], likeness: float = 0.5) -> str:
    """The closest allowed name (``DPM++ 2M`` is close to dpmpp_2m), or the empty string."""
    plain = wrong[:64].lower().replace("+", "p").replace(" ", "_").replace("-", "_")
    return next(iter(get_close_matches(plain, list(allowed), n=1, cutoff=likeness)), "")


def shown(value: Any) -> str:
    """A value as its writer knows it: YAML's words, quoted text, cut short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value[:100]) if isinstance(value, str | list | tuple) else str(value)
    except ValueError:  # a number of thousands of digits in it
        return f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."
