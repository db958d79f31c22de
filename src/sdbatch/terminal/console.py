"""The console for messages to users. Prints user text unchanged: rich would replace ``:cat:`` by an emoji."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console


def open_console(stderr: bool = False) -> Console:
    """A console without emoji codes, on stdout or stderr."""
    return Console(stderr=stderr, emoji=False)


def say(text: str | Path, stderr: bool = False) -> None:
    """Print ``text`` as one line without markup, highlighting or wrapping."""
    open_console(stderr).print(str(text), markup=False, highlight=False, soft_wrap=True)
