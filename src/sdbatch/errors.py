"""The error classes: mistakes in the configuration, and failures while rendering.

    SdbatchError
    ├── ConfigError        exit 2: one or more Problems, all reported at once; nothing is written
    ├── RenderError        one shot cannot be rendered (recorded; the other shots continue)
    │   └── DeviceLost     exit 1: the GPU has failed; finished jobs are kept
    ├── StoreError         exit 1: a file cannot be written (disk full, read-only); finished jobs are kept
    └── Interrupted        exit 130: Ctrl-C or SIGTERM; the same command resumes

All code raises these; only ``cli`` turns an error into an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: the dotted ``key``, the ``message``, and a ``hint`` how to fix it. Key and hint may be empty."""

    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        head = f"{self.key}: {self.message}" if self.key else self.message
        return f"{head} ({self.hint})" if self.hint else head


class SdbatchError(Exception):
    """Base class of all errors that sdbatch raises deliberately."""


class ConfigError(SdbatchError):
    """The configuration is invalid; ``problems`` lists every mistake found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @classmethod
    def one(cls, key: str, message: str, hint: str = "") -> ConfigError:
        return cls([Problem(key, message, hint)])


class Problems(list[Problem]):
    """Mistakes, gathered so that all are reported at once: a ConfigError that ends a ``with problems:`` block is added,
    and the code after the block continues."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ConfigError):
            self += error.problems
        return isinstance(error, ConfigError)

    def report(self) -> None:
        """Raise ConfigError with each of them once, if there are any."""
        if self:
            raise ConfigError(dict.fromkeys(self))


class RenderError(SdbatchError):
    """A shot cannot be rendered; its message goes into the record."""


class DeviceLost(RenderError):  # noqa: N818  (names the state of the device)
    """The device fails at every further call. No shot is the cause, so the run ends."""


class StoreError(SdbatchError):
    """Files cannot be read or written (disk full, no permission)."""


class Interrupted(SdbatchError):  # noqa: N818  (a request of the user)
    """The user interrupted the run."""


def nearest(wrong: str, allowed: Iterable[str], likeness: float = 0.5) -> str:
    """``did you mean 'x'?`` for the closest allowed name, or the empty string."""
    return f"did you mean {found!r}?" if (found := closest(wrong, allowed, likeness)) else ""


def closest(wrong: str, allowed: Iterable[str], likeness: float = 0.5) -> str:
    """The closest allowed name (``DPM++ 2M`` is close to dpmpp_2m), or the empty string."""
    plain = wrong[:64].lower().replace("+", "p").replace(" ", "_").replace("-", "_")
    return next(iter(get_close_matches(plain, list(allowed), n=1, cutoff=likeness)), "")


def shown(value: Any) -> str:
    """A value in YAML notation, for error messages: text quoted, at most 80 characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value[:100]) if isinstance(value, str | list | tuple) else str(value)
    except ValueError:  # it contains a number of thousands of digits
        return f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."
