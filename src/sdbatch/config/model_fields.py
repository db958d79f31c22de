"""Where a model defines a key, and the range of its values: for error messages."""

from __future__ import annotations

from typing import Any, get_args

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel


def owner_of(model: type[BaseModel], loc: list[int | str]) -> type[BaseModel]:
    """The model that defines the key at ``loc``."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a))), None)


def field_of(model: type[BaseModel], loc: list[int | str]) -> Any:
    """The key at ``loc``; None for a field of a dataclass."""
    names = [p for p in loc if isinstance(p, str)]
    return owner_of(model, list(names[:-1])).model_fields.get(names[-1])


def _limits(model: type[BaseModel], loc: list[int | str]) -> tuple[Any, Any]:
    low = high = None
    for m in field_of(model, loc).metadata:
        low = m if isinstance(m, Ge | Gt) else low
        high = m.le if isinstance(m, Le) else high
    return low, high


def range_of(model: type[BaseModel], loc: list[int | str]) -> str:
    low, high = _limits(model, loc)
    return f"{low.ge}–{high}" if isinstance(low, Ge) else f"{low.gt}–{high}, {low.gt} excluded"


def nearest_bound(model: type[BaseModel], loc: list[int | str], value: Any) -> str:
    low, high = _limits(model, loc)
    if value > high:
        return f"nearest is {high}"
    return f"nearest is {low.ge}" if isinstance(low, Ge) else f"write more than {low.gt}"
