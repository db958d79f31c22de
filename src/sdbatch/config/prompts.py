"""The sections ``wildcards`` and ``styles``: files that the texts of prompts refer to."""

from __future__ import annotations

from pydantic import Field

from sdbatch.config.fields import FilePath, Names, Section


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
