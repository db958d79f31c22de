"""What is added to a model for a shot: LoRAs and textual inversions. Values; their files are found by digest."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA merged into the weights: ``unet`` and ``text`` are its strengths in the denoiser and the text encoder.

    ``text`` None: as ``unet``. ``name`` (of the file) and ``hash`` (A1111's) are for people and other programs, and not
    part of ids.
    """

    file: str  # the digest of its content
    unet: float
    text: float | None = None
    name: str = field(default="", compare=False)
    hash: str = field(default="", compare=False)

    @property
    def in_text(self) -> float:
        """The strength in the text encoder."""
        return self.unet if self.text is None else self.text

    def __str__(self) -> str:
        text = "" if self.text is None else f" (text {self.text:g})"
        return f"{self.name or self.file[:12]} {self.unet:g}{text}"


@dataclass(frozen=True, slots=True)
class Embedding:
    """A textual inversion: where a text says ``name``, ``vectors`` vectors of the file take as many places."""

    name: str
    file: str
    vectors: int
    hash: str = field(default="", compare=False)


def lora(found: Lora, unet: float, text: float | None) -> Lora:
    """``found`` with other strengths. Equal strengths are written in one way, so that ids are equal."""
    unet, text = round(unet, 6), None if text is None else round(text, 6)
    return Lora(found.file, unet, None if text == unet else text, found.name, found.hash)


def active(loras: tuple[Lora, ...]) -> tuple[Lora, ...]:
    """Without those of strength 0, which change nothing."""
    return tuple(one for one in loras if one.unet or one.in_text)
