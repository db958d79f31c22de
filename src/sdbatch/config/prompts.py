"""Prompts, and the sections ``wildcards`` and ``styles``: files that the texts of prompts refer to."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from sdbatch.config.fields import FilePath, Names, Section
from sdbatch.config.loras import LoraEntries
from sdbatch.errors import shown


class WildcardSettings(Section):
    """Files of values for ``__name__`` in a prompt, and the seed of what is drawn."""

    folder: FilePath = Field("wildcards", description="folder of .txt and .yaml files, relative to the working folder")
    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="another seed draws other values of {~a|b} and __~name__ (not of pictures)"
    )


class StyleSettings(Section):
    """Texts that are added to every prompt and negative prompt."""

    file: FilePath | None = Field(None, description="A1111's styles.csv, relative to the working folder")
    use: Names = Field((), description="names of styles, applied in this order")


class Prompt(Section):
    """A prompt with its own negative, or a file of prompts (.yaml, .txt: one a line, .csv: id,text,negative)."""

    id: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="short name, used in labels")
    text: str | None = Field(None, max_length=100_000, description="the prompt; {a|b} and __name__ make variants")
    negative: str | None = Field(None, max_length=100_000, description="instead of the experiment's negative")
    file: str | None = Field(None, max_length=4096, description="a file of prompts, relative to the working folder")
    draws: int = Field(1, ge=1, le=10_000, description="how often {~a|b} and __~name__ are drawn")
    loras: LoraEntries = Field((), description="LoRAs of this prompt, after the experiment's")

    @model_validator(mode="after")
    def _text_or_file(self) -> Prompt:
        if (self.text is None) == (self.file is None):
            raise ValueError("give text or file, one of them")
        return self


def _prompt(value: Any) -> Any:
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, bool | int | float):
        raise ValueError(f"{shown(value)} is not text; quote the prompt")
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not a prompt; write a text or {{id, text, negative}}")
    return value


PromptEntry = Annotated[Prompt, BeforeValidator(_prompt, json_schema_input_type=str | Prompt)]


class Prompts(Section):
    """A file of prompts."""

    prompts: tuple[PromptEntry, ...]
