"""The settings of tasks (``task=…``): one section for each task that has any."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from sdbatch.config.fields import SLUG, FilePath, Names, Section, names
from sdbatch.config.licences import PATTERN, spdx


class PlanSettings(Section):
    """The dry run."""

    format: Literal["table", "json"] = Field("table", description="for users or for programs")
    limit: int = Field(100_000, ge=1, le=100_000_000, description="the largest plan that is accepted")
    digest: str | None = Field(
        None, pattern=r"^d[0-9a-f]{16}$", description="render only the plan with this digest; task=submit sets it"
    )
    earlier: bool = Field(
        True, description="gallery, sheet, csv and verify also show what earlier plans of the folder rendered"
    )
    preview: bool = Field(False, description="draw the curves and the camera path of every video")


class SheetSettings(Section):
    """The contact sheet (task=sheet)."""

    format: Literal["png", "pdf"] = Field("png", description="sheet.png or sheet.pdf")
    across: Names | None = Field(None, description="axes of the columns; null: chosen automatically")
    down: Names | None = Field(None, description="axes of the rows; null: those that are not columns")
    where: Names = Field((), description="only these values: [sampling.guidance=2|4, prompts=torii]")
    font: FilePath | None = Field(
        None, description="font file of the labels; null: the shipped one, or one of the system for other scripts"
    )
    limit: int = Field(400, ge=1, le=10_000, description="largest number of pictures on a sheet")


class CsvSettings(Section):
    """The records as CSV (task=csv)."""

    measures: bool = Field(
        False, description="add colour, contrast, sharpness, edges, and diversity: the distance to other seeds"
    )


class VerifySettings(Section):
    """Rendering again and comparing (task=verify)."""

    sample: int | None = Field(
        None, ge=0, le=10_000_000, description="jobs rendered again; null: all, 0: only files are checked"
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="seed of the sample and of the order of jobs")
    repair: bool = Field(False, description="render damaged and missing files again and replace them")
    format: Literal["table", "json"] = Field("table", description="for users or for programs")


class ReproduceSettings(Section):
    """Rendering one file again from its metadata (task=reproduce)."""

    folder: FilePath = Field("reproduced", description="folder of the new file, which keeps its name")


class Author(Section):
    """A person or a group, for a citation."""

    name: str = Field(min_length=1, max_length=200, description="as it is cited")
    orcid: str | None = Field(None, pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$", description="0000-0002-1825-0097")
    affiliation: str | None = Field(None, min_length=1, max_length=200, description="an institution")


def _author(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


AuthorEntry = Annotated[Author, BeforeValidator(_author, json_schema_input_type=str | Author)]


class PublishSettings(Section):
    """A research object of an experiment's results, as a folder and as a ZIP (task=publish)."""

    folder: FilePath = Field("publish", description="contains <name>/ and <name>.zip")
    pictures: Literal["all", "digests"] = Field("all", description="digests: without pictures and videos")
    title: str | None = Field(None, min_length=1, max_length=300, description="null: the experiment's name")
    description: str | None = Field(None, min_length=1, max_length=10_000, description="a summary")
    authors: tuple[AuthorEntry, ...] = Field((), description="names, or {name, orcid, affiliation}; none: anonymous")
    licence: Annotated[str, Field(pattern=PATTERN), AfterValidator(spdx)] | None = Field(
        None, description="SPDX identifier of the results' licence, or LicenseRef-NAME"
    )
    date: str | None = Field(
        None,
        pattern=r"^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
        description="day of publication; null: SOURCE_DATE_EPOCH, or the day of the newest picture",
    )
    sample: int | None = Field(
        1, ge=0, le=10_000_000, description="jobs rendered again for the report of verify; null: all"
    )
    sign: FilePath | None = Field(
        None, description="PEM file with certificates and private key: adds signed copies (C2PA; sdbatch[sign])"
    )


class CheckSettings(Section):
    """Checking what task=publish has written, on any machine (task=check)."""

    sample: int | None = Field(4, ge=0, le=10_000_000, description="jobs rendered again; null: all")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="seed of the sample")
    format: Literal["table", "json"] = Field("table", description="for users or for programs")


class FinalSettings(Section):
    """Rendering selected jobs of a draft with other settings (task=final)."""

    jobs: Names = Field((), description="ids, file names of pictures and videos, or text files that contain them")
    set: dict[str, Any] | None = Field(
        None, description="changed keys: negative, canvas, sampling.*, motion.*, encoding.*"
    )
    name: str | None = Field(None, pattern=SLUG, description="folder under outputs/; null: <name>-final")

    def experiment_name(self, draft: str) -> str:
        """The name of the final; by default derived from ``draft``."""
        return self.name or f"{draft[:58]}-final"


class GallerySettings(Section):
    """The page outputs/<name>/index.html."""

    enabled: bool = Field(True, description="keep the page up to date while rendering (task=gallery writes it anyway)")
    of: Annotated[tuple[Annotated[str, Field(pattern=SLUG)], ...], BeforeValidator(names)] = Field(
        (), description="task=gallery: names of experiments that are shown on one page, outputs/<name>/index.html"
    )


class CutSettings(Section):
    """Several videos in one file (task=cut)."""

    videos: Names = Field((), description="ids, or files of videos, in order; empty: all videos of the plan")
    fade: float = Field(0.0, ge=0, le=60, description="seconds of a cross-fade between two videos; 0: a cut")
    name: str | None = Field(None, pattern=SLUG, description="file in cuts/, without suffix; null: <name>")


class StatusSettings(Section):
    """The progress of all workers (task=status)."""

    follow: bool = Field(False, description="show it until the last worker has ended")
    format: Literal["table", "json"] = Field("table", description="for users or for programs")


class StudioSettings(Section):
    """The form in the browser (task=studio)."""

    host: str = Field(
        "127.0.0.1",
        pattern=r"^[A-Za-z0-9.:-]{1,253}$",
        description="address to listen at; other machines reach 0.0.0.0 or a name, with a token",
    )
    port: int = Field(8765, ge=0, le=65535, description="port; 0: any free one")
    browser: bool = Field(True, description="open the browser")
    token: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{4,128}$",
        description="who does not have it is refused; auto: a random one; null: none on this machine, else auto",
    )
    hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,253}$")], ...] = Field(
        (), description="further names of this machine that browsers may use, for example behind a proxy"
    )
    folder: FilePath = Field("experiments", description="folder of the YAML files that the form writes")


class PruneSettings(Section):
    """Removing files and records that no plan needs (task=prune)."""

    apply: bool = Field(False, description="remove; false: only list")
    plans: bool = Field(False, description="also earlier plans, and what only they need")
    shots: bool = Field(False, description="also the shots of finished videos (re-encoding renders them again)")
