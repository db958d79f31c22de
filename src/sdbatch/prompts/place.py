"""Places in a prompt's text, for messages to users."""

from __future__ import annotations

MARK = "<here>"
_BEFORE, _AFTER = 24, 32


class PromptError(ValueError):
    """A mistake in the text of a prompt; the message says where."""

    @classmethod
    def at(cls, text: str, at: int, message: str) -> PromptError:
        return cls(f"{place(text, at)}: {message}")


def place(text: str, at: int) -> str:
    """Column ``at`` (from 0) of ``text`` for users: ``column 8, "a sea, <here>((sky"``."""
    head = text[max(0, at - _BEFORE) : at]
    tail = text[at : at + _AFTER]
    before, after = "…" * (at > _BEFORE), "…" * (at + _AFTER < len(text))
    return f'column {at + 1}, "{before}{head}{MARK}{tail}{after}"'.replace("\n", " ")
