"""The configuration as frozen pydantic models: every key with type, range and description.

Does not know Hydra and reads no files. ``validate`` turns plain data into an :class:`Experiment` or raises one
ConfigError with every mistake in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from sdbatch.config.cluster import SubmitSettings
from sdbatch.config.control import ControlEntries
from sdbatch.config.fields import SLUG, Audio, Canvas, FilePath, Folders, Section, Seeds, one_of
from sdbatch.config.loras import LoraEntries
from sdbatch.config.model import Models, ModelSettings
from sdbatch.config.passes import HiresSettings, UpscaleSettings
from sdbatch.config.pictures import InitSettings, MaskSettings
from sdbatch.config.prompts import PromptEntry, StyleSettings, WildcardSettings
from sdbatch.config.registry import TASKS
from sdbatch.config.runtime import Runtime
from sdbatch.config.tasks import (
    CheckSettings,
    CsvSettings,
    CutSettings,
    FinalSettings,
    GallerySettings,
    PlanSettings,
    PruneSettings,
    PublishSettings,
    ReproduceSettings,
    SheetSettings,
    StatusSettings,
    StudioSettings,
    VerifySettings,
)
from sdbatch.config.written import AS_DATA, Written
from sdbatch.motion.settings import Motion
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.codecs import CODECS, Preset
from sdbatch.spec.jobs import ALWAYS, Encoding
from sdbatch.spec.limits import GUIDANCE, LORA_WEIGHT, STEPS

GROUPS = (
    "experiment",
    "prompt_set",
    "motion_preset",
    "sampling_preset",
    "cluster",
)  # folders of conf/ that are added: no keys


def _samplers(schema: dict[str, Any]) -> None:
    schema["enum"] = list(SAMPLERS)


def _infotexts() -> dict[str, str]:
    return {sampler.infotext.lower(): name for name, sampler in SAMPLERS.items()}


class Sampling(Section):
    """How one shot is denoised."""

    sampler: Annotated[str, one_of(SAMPLERS, "sampler", _infotexts)] = Field(
        "dpmpp_2m_karras", description="the sampler's name", json_schema_extra=_samplers
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

    guidance_rescale: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of guidance that keeps the contrast of the unguided prediction; null: of the model, else 0",
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


_ENCODING = Encoding()  # its values are part of ids


_CONTAINERS = {"mp4": "h264", "x264": "h264", "avc": "h264", "webm": "vp9"}


class EncodingSettings(Section):
    """The encoding of a video."""

    codec: Annotated[str, one_of(CODECS, "codec", lambda: _CONTAINERS)] = Field(
        _ENCODING.codec, description="the kind of video file", json_schema_extra=_codecs
    )
    quality: int = Field(
        _ENCODING.quality, ge=1, le=51, description="x264's crf: 18 looks lossless, 28 is small (0 plays nowhere)"
    )
    preset: Preset = Field(_ENCODING.preset, description="x264's preset: slower makes smaller files")
    supersample: int = Field(
        _ENCODING.supersample, ge=1, le=4, description="supersampling factor: frames are composed larger, then averaged"
    )
    interpolate: int = Field(
        _ENCODING.interpolate,
        ge=1,
        le=8,
        description="motion-compensated interpolation: multiplies fps (ffmpeg's minterpolate)",
    )
    audio: Audio = Field(
        None, description="a sound file, cut or repeated to the length of the video; relative to the working folder"
    )

    def encoding(self) -> Encoding:
        """The value that jobs hold."""
        return Encoding(**{name: getattr(self, name) for name in type(self).model_fields})


class Output(Section):
    """Where files go and what is in them."""

    folder: FilePath = Field("outputs", description="folder that contains <name>/")
    metadata: Literal["full", "none"] = Field("full", description="metadata in the files")
    names: str | None = Field(
        None, max_length=200, description="names of files, such as {prompt}-{sampling.steps}; null: {prompt}-s{seed}"
    )
    frames: bool = Field(False, description="also store the frames of videos as PNGs, in frames/<id of the job>/")


class Shard(Section):
    """The part of the plan that this process renders: parts of about equal cost (``plan.division``)."""

    index: int = Field(0, ge=0, le=99_999, description="which part")
    count: int = Field(1, ge=1, le=100_000, description="how many parts")
    mixed: bool = Field(
        False, description="also render beside processes with another profile: equal jobs then have other bits"
    )

    @model_validator(mode="after")
    def _inside(self) -> Shard:
        if self.index >= self.count:
            raise ValueError(f"index {self.index} is out of range 0–{self.count - 1} (count is {self.count})")
        return self


def _tasks(schema: dict[str, Any]) -> None:
    schema["enum"] = list(TASKS)
    schema["description"] = "; ".join(f"{name}: {task.about}" for name, task in TASKS.items())


class Experiment(Section):
    """One YAML: prompts, canvas, seeds, sampling, motion, sweeps; what renders it and where it goes."""

    name: str = Field("untitled", pattern=SLUG, description="a slug; the folder under outputs/")
    task: Annotated[str, one_of(TASKS, "task")] = Field("render", json_schema_extra=_tasks, description="what to do")
    prompts: tuple[PromptEntry, ...] = Field((), description="texts, {id, text, negative} or {file}")
    negative: str = Field("", max_length=100_000, description="what should not be in the picture")
    loras: LoraEntries = Field(
        (), description="LoRAs of all prompts: names or {path, weight, text}, in the order of merging"
    )
    lora_weight: float = Field(
        1.0, ge=LORA_WEIGHT.low, le=LORA_WEIGHT.high, description="multiplies the weights of all LoRAs"
    )
    lora_folders: Folders = Field(
        ("loras",), description="folders of LoRAs, relative to the working folder: <lora:name:0.8> is a file in them"
    )
    embedding_folders: Folders = Field(
        ("embeddings",), description="folders of textual inversions; a file's name in a prompt stands for its vectors"
    )
    control: ControlEntries = Field(
        (), description="ControlNets: {net, image, preprocess, weight, start, end, guess}, added in this order"
    )
    control_folders: Folders = Field(
        ("controlnets",), description="folders of ControlNets, relative to the working folder: names are files in them"
    )
    input_folders: Folders = Field(
        ("inputs",),
        description="folders of pictures, relative to the working folder: names and digests are found there",
    )
    wildcards: WildcardSettings = Field(WildcardSettings(), description="files of values for __name__ in prompts")
    styles: StyleSettings = Field(StyleSettings(), description="texts that are added to every prompt")
    seeds: Seeds = Field((0,), description="7, [1, 5, 9], 0..3 (both ends included), or random*4: drawn once")
    new_seeds: bool = Field(False, description="with random seeds: draw others")
    canvas: Canvas = Field(("1:1",), min_length=1, description='quoted ratios ("16:9") or exact sizes (640x360)')
    sampling: Sampling = Field(Sampling(), description="how a shot is denoised")
    init: InitSettings = Field(
        InitSettings(), description="the picture that shots start from; task=init: a new project"
    )
    mask: MaskSettings = Field(MaskSettings(), description="the part of init.image that is repainted")
    hires: HiresSettings = Field(HiresSettings(), description="a second pass at a larger size")
    upscale: UpscaleSettings = Field(UpscaleSettings(), description="the last step: the picture enlarged")
    upscaler_folders: Folders = Field(
        ("upscalers",), description="folders of networks that enlarge pictures, relative to the working folder"
    )
    motion: Motion = Field(Motion(), description="how a prompt becomes a video")
    encoding: EncodingSettings = Field(EncodingSettings(), description="how frames become a file")
    sweep: tuple[dict[str, Any], ...] = Field((), description="keys in one entry vary together, entries multiply")
    skip: tuple[dict[str, Any], ...] = Field((), description="jobs that match all keys of a rule are skipped")
    model: ModelSettings = Field(ModelSettings(), description="which weights")
    models: Models = Field((), description="several models, as an axis: names, paths, or what differs from model")
    runtime: Runtime = Field(Runtime(), description="how to render; changes no id")
    output: Output = Field(Output(), description="where files go")
    shard: Shard = Field(Shard(), description="the part of the plan for this process")
    retry: Literal["failed", "profile"] = Field(
        "failed", description="what a second run renders again: failed jobs, or also those of another profile"
    )
    plan: PlanSettings = Field(PlanSettings(), description="the dry run")
    sheet: SheetSettings = Field(SheetSettings(), description="the contact sheet")
    csv: CsvSettings = Field(CsvSettings(), description="the records as CSV")
    gallery: GallerySettings = Field(GallerySettings(), description="the page of all pictures")
    verify: VerifySettings = Field(VerifySettings(), description="rendering again and comparing")
    source: FilePath | None = Field(
        None, description="task=reproduce: a picture or a video; task=check: what task=publish has written"
    )
    reproduce: ReproduceSettings = Field(ReproduceSettings(), description="rendering one file again")
    publish: PublishSettings = Field(PublishSettings(), description="an experiment as a research object")
    check: CheckSettings = Field(CheckSettings(), description="checking a research object")
    final: FinalSettings = Field(FinalSettings(), description="selected jobs with other settings")
    cut: CutSettings = Field(CutSettings(), description="several videos in one file")
    submit: SubmitSettings = Field(SubmitSettings(), description="jobs of a SLURM cluster")
    status: StatusSettings = Field(StatusSettings(), description="the progress of all workers")
    studio: StudioSettings = Field(StudioSettings(), description="the form in the browser")
    prune: PruneSettings = Field(PruneSettings(), description="removing what no plan needs")

    _written: Written = PrivateAttr(AS_DATA)

    @property
    def written(self) -> Written:
        """The files and arguments that it was composed of; empty if it was not."""
        return self._written

    def as_written(self, written: Written) -> Experiment:
        """The same experiment, composed of ``written``."""
        found = self.model_copy()
        found._written = written
        return found

    @property
    def folder(self) -> Path:
        """The folder of all results."""
        return Path(self.output.folder).expanduser() / self.name

    @property
    def has_prompts(self) -> bool:
        """Whether it names prompts, itself or in its sweep; else tasks take the plan that its folder keeps."""
        return bool(self.prompts) or any("prompts" in entry for entry in self.sweep)

    @property
    def run_folder(self) -> Path:
        """The folder of progress, timings and previews: everything that depends on the time and place of a run."""
        return Path("runs") / self.name


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of an experiment file: every key optional, Hydra's ``defaults`` and ``hydra`` allowed."""
    out = Experiment.model_json_schema()
    out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    out["title"] = "sdbatch experiment"
    out["properties"] |= {"defaults": {"type": "array"}, "hydra": {"type": "object"}}
    return out
