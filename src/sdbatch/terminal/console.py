"""The console for messages to users. Prints user text unchanged: rich would replace ``:cat:`` by an emoji."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from rich.console import Console

_run = ContextVar("_run", default="")
_said = ContextVar[set[str] | None]("_said", default=None)


def open_console(stderr: bool = False) -> Console:
    """A console without emoji codes, on stdout or stderr."""
    return Console(stderr=stderr, emoji=False)


def say(text: str | Path, stderr: bool = False) -> None:
    """Print ``text`` as one line without markup, highlighting or wrapping."""
    open_console(stderr).print(str(text), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def running(name: str) -> Iterator[None]:
    """A block that is one of several runs; ``heading`` says which."""
    token = _run.set(name)
    try:
        yield
    finally:
        _run.reset(token)


@contextmanager
def saying_once() -> Iterator[None]:
    """A block in which ``new`` remembers what was said: the runs of one command repeat their notes otherwise."""
    token = _said.set(set())
    try:
        yield
    finally:
        _said.reset(token)


def new(text: str) -> bool:
    """Whether ``text`` was not said in this command yet."""
    if (said := _said.get()) is None:
        return True
    known = text in said
    said.add(text)
    return not known


def heading(name: str) -> str:
    """The name of an experiment, with that of the run if there are several."""
    return f"{name}, {_run.get()}" if _run.get() else name
