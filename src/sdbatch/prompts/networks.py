"""``<lora:name:0.8>`` in a prompt, as A1111 reads it: taken out of the text. Pure.

``<lora:name:TEXT:DENOISER>`` has two weights: the first is that of the text encoder, and of both if it is the only one.
They can have names as well: ``<lora:name:te=0.5:unet=1>``. ``lyco`` is another word for ``lora``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sdbatch.prompts.place import PromptError

_TAG = re.compile(r"\s*<(?:lora|lyco):([^<>]*)>")
_WHOLE = re.compile(r"<([^<>{}|$]*)>")
_NAMED = {"te": 0, "unet": 1}


@dataclass(frozen=True, slots=True)
class Tag:
    """A LoRA that a prompt names, with its weights in the denoiser and in the text encoder."""

    name: str
    unet: float
    text: float


def extract(text: str) -> tuple[str, tuple[Tag, ...]]:
    """(the text without tags, the tags in order). Raises PromptError for a tag that cannot be read."""
    tags = tuple(_tag(found, text) for found in _TAG.finditer(text))
    return (_TAG.sub("", text).lstrip() if tags else text), tags


def names(text: str) -> Iterator[str]:
    """What tags name that are written whole in ``text``, a prompt that is not expanded yet."""
    for inside in _WHOLE.findall(text):
        yield from filter(None, map(str.strip, inside.split(":")))


def has_made_tags(text: str) -> bool:
    """Whether expanding ``text`` may put tags together, so that it does not show what they name."""
    return "<" in _WHOLE.sub("", text) and any(mark in text for mark in "{$")


def write(tag: Tag) -> str:
    """The tag as A1111 writes it."""
    weights = (tag.unet,) if tag.text == tag.unet else (tag.text, tag.unet)
    return f"<lora:{tag.name}:{':'.join(f'{w:g}' for w in weights)}>"


def _tag(found: re.Match[str], text: str) -> Tag:
    at = found.start(1)
    name, *values = found[1].split(":")
    weights: list[float | None] = [None, None]  # of the text encoder, of the denoiser
    for place, value in enumerate(values):
        key, named, number = value.rpartition("=")
        index = _NAMED.get(key.strip()) if named else place
        if index is None or index > 1:
            raise PromptError.at(text, at, f"{value!r} is not known in a LoRA; write <lora:name:0.8> or te=, unet=")
        weights[index] = _number(number, text, at)
    if not name.strip():
        raise PromptError.at(text, at, "this LoRA has no name; write <lora:name:0.8>")
    of_text = 1.0 if weights[0] is None else weights[0]
    return Tag(name.strip(), of_text if weights[1] is None else weights[1], of_text)


def _number(value: str, text: str, at: int) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise PromptError.at(text, at, f"{value!r} is not a weight; write <lora:name:0.8>")
    return number
