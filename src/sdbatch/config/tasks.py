"""The settings of tasks (``task=…``): one section for each task that has any."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sdbatch.config.fields import FilePath, Names, Section


class PlanSettings(Section):
    """The dry run."""

    format: Literal["table", "json"] = Field("table", description="for users or for programs")
    limit: int = Field(100_000, ge=1, le=100_000_000, description="a larger plan is refused")
    preview: bool = Field(False, description="draw every video's curves, and its camera over a test card")


class SheetSettings(Section):
    """The contact sheet (task=sheet)."""

    format: Literal["png", "pdf"] = Field("png", description="sheet.png or sheet.pdf")
    across: Names | None = Field(None, description="axis that runs across, or a list of them; null: chosen")
    down: Names | None = Field(None, description="axes that run down; null: those that are not across")
    where: Names = Field((), description="only these values: [sampling.guidance=2|4, prompts=torii]")
    limit: int = Field(400, ge=1, le=10_000, description="most pictures on one sheet")


class VerifySettings(Section):
    """Rendering again and comparing (task=verify)."""

    sample: int | None = Field(
        None, ge=0, le=10_000_000, description="jobs rendered again; null: all, 0: only files are checked"
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="decides which jobs, and in which order")
    repair: bool = Field(False, description="render damaged and missing files again and put them back")
    format: Literal["table", "json"] = Field("table", description="for users or for programs")


class ReproduceSettings(Section):
    """One file made again from what it says of itself (task=reproduce)."""

    folder: FilePath = Field("reproduced", description="where it goes, under its old name")


class FinalSettings(Section):
    """Chosen jobs with other settings (task=final): a final from a cheap draft."""

    jobs: Names = Field((), description="ids, file names of pictures and videos, or text files that hold them")
    set: dict[str, Any] | None = Field(
        None, description="what changes: negative, canvas, sampling.*, motion.*, encoding.*"
    )
    name: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="folder under outputs/; null: <name>-final"
    )

    def experiment_name(self, draft: str) -> str:
        """The name of the final, made from the draft's where none is given."""
        return self.name or f"{draft[:58]}-final"


class GallerySettings(Section):
    """The page outputs/<name>/index.html."""

    enabled: bool = Field(True, description="keep the page up to date while rendering (task=gallery writes it anyway)")


class PruneSettings(Section):
    """Removing what nothing wants any more (task=prune)."""

    apply: bool = Field(False, description="false only shows what would go")
    plans: bool = Field(False, description="also earlier plans, and what only they want")
    shots: bool = Field(False, description="also the shots of finished videos (re-encoding renders them again)")
