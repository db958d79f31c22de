"""Where words for users go. What people wrote is text there: rich would make a picture of ``:cat:``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console


def open_console(stderr: bool = False) -> Console:
    """A console that leaves ``:cat:`` as it is."""
    return Console(stderr=stderr, emoji=False)


def say(text: str | Path, stderr: bool = False) -> None:
    """A line as it is: no markup, no colours, no breaks."""
    open_console(stderr).print(str(text), markup=False, highlight=False, soft_wrap=True)
