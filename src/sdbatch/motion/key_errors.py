"""Errors of single keys, for validators of a whole section or of a value with keys of its own. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import PydanticCustomError


def key_error(key: str, message: str) -> PydanticCustomError:
    """An error of ``key``, which is relative to the section or value that is validated."""
    return PydanticCustomError("at_key", "{message}", {"key": key, "message": message})


def combined_error(errors: Sequence[PydanticCustomError]) -> PydanticCustomError:
    """Several key errors as one, because a validator can raise only one; ``config.validation`` separates them."""
    first, *more = (e.context or {} for e in errors)
    return PydanticCustomError("at_key", "{message}", {**first, "more": more})
