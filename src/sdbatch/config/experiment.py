"""The whole configuration as frozen pydantic models: every key, its type, its range, what it means.

Knows nothing of Hydra and reads no files. ``validate`` turns plain data into an :class:`Experiment` or raises one
ConfigError with every mistake in it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from sdbatch.config.runtime import Runtime
from sdbatch.errors import nearest, shown
from sdbatch.motion.fields import key_error
from sdbatch.motion.settings import Motion
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.canvas import parse as parse_canvas
from sdbatch.spec.codecs import CODECS, Preset
from sdbatch.spec.jobs import ALWAYS, Encoding
from sdbatch.spec.limits import CLIP_SKIP, GUIDANCE, STEPS
from sdbatch.spec.ranges import parse_seeds

TASKS = ("render", "plan", "sheet", "gallery", "csv", "verify", "reproduce", "final", "prune", "schema")
GROUPS = ("experiment", "prompt_set", "motion_preset", "sampling_preset")  # folders of conf/ that are added: no keys


def _one_of(names: Collection[str], what: str) -> AfterValidator:
    """One of ``names`` as they are when a value is checked: an entry may be registered later."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"unknown {what} {shown(value)}; allowed: {', '.join(names)}{_hint(value, names)}")
        return value

    return AfterValidator(check)


def _hint(value: str, names: Collection[str]) -> str:
    return f"; {found}" if (found := nearest(value, names)) else ""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Prompt(Section):
    """A prompt with its own negative, or a file of prompts (.yaml, .txt: one a line, .csv: id,text,negative)."""

    id: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="short name, used in labels")
    text: str | None = Field(None, max_length=100_000, description="the prompt; {a|b} makes variants")
    negative: str | None = Field(None, max_length=100_000, description="instead of the experiment's negative")
    file: str | None = Field(None, max_length=4096, description="a file of prompts, relative to the working folder")

    @model_validator(mode="after")
    def _text_or_file(self) -> Prompt:
        if (self.text is None) == (self.file is None):
            raise ValueError("give text or file, one of them")
        return self


def _prompt(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        raise ValueError(f"{shown(value)} is not text; quote the prompt")
    if not isinstance(value, str | dict):
        raise ValueError(f"{shown(value)} is not a prompt; write a text or {{id, text, negative}}")
    return {"text": value} if isinstance(value, str) else value


PromptEntry = Annotated[Prompt, BeforeValidator(_prompt, json_schema_input_type=str | Prompt)]


class Prompts(Section):
    """A file of prompts."""

    prompts: tuple[PromptEntry, ...]


def _seeds(value: Any) -> tuple[int | str, ...]:
    values = tuple(value) if isinstance(value, list) else (value,)
    parse_seeds(values)
    return values


Seeds = Annotated[tuple[int | str, ...], BeforeValidator(_seeds, json_schema_input_type=int | str | list[int | str])]


def _canvas_entry(value: Any) -> str:
    parse_canvas(value, native=512)
    return str(value).strip()


CanvasEntry = Annotated[str, BeforeValidator(_canvas_entry, json_schema_input_type=str)]


class Sampling(Section):
    """How one shot is denoised."""

    sampler: Annotated[str, _one_of(tuple(SAMPLERS), "sampler")] = Field(
        "dpmpp_2m_karras", description="the sampler's name", json_schema_extra={"enum": list(SAMPLERS)}
    )
    steps: int = Field(24, ge=STEPS.low, le=STEPS.high, description="sampling steps")
    guidance: float = Field(
        6.0,
        ge=GUIDANCE.low,
        le=GUIDANCE.high,
        description="classifier-free guidance; 1 is none (and half the cost)",
    )
    guidance_interval: tuple[float, float] = Field(
        ALWAYS,
        description="approximate speed-up: guidance only in this share of the evaluations (Kynkäänniemi et al. 2024)",
    )

    @field_validator("guidance_interval")
    @classmethod
    def _interval(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] < value[1] <= 1:
            raise ValueError(f"{list(value)} is not an interval; write [from, to] with 0 ≤ from < to ≤ 1")
        return value


def _codecs(schema: dict[str, Any]) -> None:
    schema["enum"] = list(CODECS)
    schema["description"] = "; ".join(f"{codec.name}: {codec.about}" for codec in CODECS.values())


_ENCODING = Encoding()  # its defaults are part of ids


class EncodingSettings(Section):
    """How a video's frames become a file."""

    codec: Annotated[str, _one_of(CODECS, "codec")] = Field(
        _ENCODING.codec, description="the kind of video file", json_schema_extra=_codecs
    )
    quality: int = Field(
        _ENCODING.quality, ge=1, le=51, description="x264's crf: 18 looks lossless, 28 is small (0 plays nowhere)"
    )
    preset: Preset = Field(_ENCODING.preset, description="x264's preset: slower makes smaller files")
    supersample: int = Field(
        _ENCODING.supersample, ge=1, le=4, description="frames are composed so many times finer, then averaged"
    )
    interpolate: int = Field(
        _ENCODING.interpolate,
        ge=1,
        le=8,
        description="motion-compensated frames between: times fps (ffmpeg's minterpolate)",
    )

    def encoding(self) -> Encoding:
        """The value that jobs hold."""
        return Encoding(**self.model_dump())


class Faults(Section):
    """Shots of the fake renderer that go wrong, for tests of the program around it."""

    fail: tuple[str, ...] = Field((), description="shots whose id or prompt holds one of these words fail")
    nan: tuple[str, ...] = Field((), description="… come out not finite")
    memory: tuple[str, ...] = Field((), description="… run out of memory")
    crash: tuple[str, ...] = Field((), description="… make the renderer raise, and its other shots in hand are lost")
    warn: tuple[str, ...] = Field((), description="… come with a warning")


class Fake(Faults):
    """The fake renderer (model=fake)."""

    delay: float = Field(0.0, ge=0, le=60, description="seconds a shot takes")


class ModelSettings(Section):
    """Which weights."""

    kind: Literal["tiny", "hub", "local", "random_sd15", "fake"] = Field(
        "tiny", description="where the weights come from"
    )
    path: str | None = Field(
        None, max_length=4096, description="local: a diffusers folder or a single .safetensors file"
    )
    repo: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?$", description="hub: the repository"
    )
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="hub: the commit (40 hex digits)")
    vae: str | None = Field(
        None, min_length=1, max_length=4096, description="another VAE: a diffusers folder or a .safetensors file"
    )
    clip_skip: int = Field(
        1, ge=CLIP_SKIP.low, le=CLIP_SKIP.high, description="text encoder layer counted from the end; 1 is the last"
    )
    native: int | None = Field(None, ge=64, le=4096, description="side of the native square; null: from the model")
    safety_checker: bool = Field(False, description="blank what Stable Diffusion 1.5's checker objects to")
    fake: Fake = Field(Fake(), description="model=fake only")

    @model_validator(mode="after")
    def _used(self) -> ModelSettings:
        """Weights that are named are the weights that are used."""
        if self.path is not None and self.kind != "local":
            raise key_error("path", f"{shown(self.path)} would be ignored: model.kind is not local (add model=local)")
        for key in ("repo", "revision"):
            if getattr(self, key) is not None and self.kind != "hub":
                text = f"{shown(getattr(self, key))} would be ignored: model.kind is {self.kind}, not hub"
                raise key_error(key, text)
        return self


def _path(value: str) -> str:
    try:
        long = any(len(part.encode()) > 255 for part in Path(value).expanduser().parts)
    except RuntimeError:
        raise ValueError(f"{shown(value)}: there is no such user") from None
    if long or "\0" in value:
        raise ValueError(f"{shown(value)} is not a name of a file or folder")
    return value


FilePath = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_path)]


class Output(Section):
    """Where files go and what is in them."""

    folder: FilePath = Field("outputs", description="folder that holds <name>/")
    metadata: Literal["full", "none"] = Field("full", description="what the files say about themselves")
    frames: bool = Field(False, description="keep the frames of videos as PNGs, in frames/<id of the job>/")


class Shard(Section):
    """The part of the plan that this process renders: jobs i with i mod count = index."""

    index: int = Field(0, ge=0, le=99_999, description="which part")
    count: int = Field(1, ge=1, le=100_000, description="how many parts")

    @model_validator(mode="after")
    def _inside(self) -> Shard:
        if self.index >= self.count:
            raise ValueError(f"index {self.index} is out of range 0–{self.count - 1} (count is {self.count})")
        return self

    def part(self, jobs: int) -> range:
        """Positions of this part in a plan of so many jobs."""
        return range(self.index, jobs, self.count)


class PlanSettings(Section):
    """The dry run."""

    format: Literal["table", "json"] = Field("table", description="for users or for programs")
    limit: int = Field(100_000, ge=1, le=100_000_000, description="a larger plan is refused")
    preview: bool = Field(False, description="draw every video's curves, and its camera over a test card")


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | list[str])]


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


class Experiment(Section):
    """One YAML: prompts, canvas, seeds, sampling, motion, sweeps; what renders it and where it goes."""

    name: str = Field(
        "untitled", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a slug; the folder under outputs/"
    )
    task: Annotated[str, _one_of(TASKS, "task")] = Field(
        "render", json_schema_extra={"enum": list(TASKS)}, description="what to do"
    )
    prompts: tuple[PromptEntry, ...] = Field((), description="texts, {id, text, negative} or {file}")
    negative: str = Field("", max_length=100_000, description="what should not be in the picture")
    seeds: Seeds = Field((0,), description="7, [1, 5, 9] or 0..3 (both ends included)")
    canvas: tuple[CanvasEntry, ...] = Field(
        ("1:1",), min_length=1, description='quoted ratios ("16:9") or exact sizes (640x360)'
    )
    sampling: Sampling = Field(Sampling(), description="how a shot is denoised")
    motion: Motion = Field(Motion(), description="how a prompt becomes a video")
    encoding: EncodingSettings = Field(EncodingSettings(), description="how frames become a file")
    sweep: tuple[dict[str, Any], ...] = Field((), description="keys in one entry go together, entries multiply")
    skip: tuple[dict[str, Any], ...] = Field((), description="jobs that match all keys of a rule are left out")
    model: ModelSettings = Field(ModelSettings(), description="which weights")
    runtime: Runtime = Field(Runtime(), description="how to render; changes no id")
    output: Output = Field(Output(), description="where files go")
    shard: Shard = Field(Shard(), description="the part of the plan for this process")
    retry: Literal["failed", "profile"] = Field(
        "failed", description="what a second run renders again: failed jobs, or also those of another profile"
    )
    plan: PlanSettings = Field(PlanSettings(), description="the dry run")
    sheet: SheetSettings = Field(SheetSettings(), description="the contact sheet")
    gallery: GallerySettings = Field(GallerySettings(), description="the page of all pictures")
    verify: VerifySettings = Field(VerifySettings(), description="rendering again and comparing")
    source: FilePath | None = Field(None, description="task=reproduce: a picture or a video")
    reproduce: ReproduceSettings = Field(ReproduceSettings(), description="one file made again")
    final: FinalSettings = Field(FinalSettings(), description="chosen jobs with other settings")
    prune: PruneSettings = Field(PruneSettings(), description="removing what nothing wants any more")

    @property
    def folder(self) -> Path:
        """Where everything that it renders lies."""
        return Path(self.output.folder).expanduser() / self.name

    @property
    def run_folder(self) -> Path:
        """Where progress, timings and previews go: all that depends on when and where it ran."""
        return Path("runs") / self.name


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of an experiment file: every key optional, Hydra's ``defaults`` and ``hydra`` allowed."""
    out = Experiment.model_json_schema()
    out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    out["title"] = "sdbatch experiment"
    out["properties"] |= {"defaults": {"type": "array"}, "hydra": {"type": "object"}}
    return out
