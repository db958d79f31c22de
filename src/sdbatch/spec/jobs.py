"""What is rendered: frozen values and their ids. Knows nothing of devices, folders or configuration files.

A *job* is one picture or one video. A *shot* is one denoised picture: a still is one shot, a video several.
``Shot.id`` hashes everything that decides the shot's pixels; a still's job id is its shot's id, a video's job id
hashes its shots, its camera and its encoding (so a new fps re-encodes and nothing more).

Ids are canonical JSON through blake2b. A field at its default is left out, so a new feature renames no old job;
numbers are normalised (6 is 6.0). Samplers and models enter with their literal parameters, never with computed floats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, get_type_hints

from sdbatch.samplers import SAMPLERS, NoiseSchedule
from sdbatch.spec.codecs import Preset
from sdbatch.spec.file_names import job_file

SPEC_VERSION = 1
ALWAYS = (0.0, 1.0)  # guidance in every evaluation
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def digest(value: Any, prefix: str = "j") -> str:
    """An id: a letter + 16 hex digits (YAML reads bare hex such as ``123e4567`` as a number, hence the letter)."""
    return prefix + blake2b(_canonical(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def plan_digest(ids: Sequence[str]) -> str:
    """A plan's name: ``d`` + 16 hex digits over its jobs and their order."""
    return "d" + blake2b("\n".join(ids).encode(), digest_size=8).hexdigest()


def spec(value: Any) -> dict[str, Any]:
    """A frozen dataclass as a dict without the fields that are at their defaults, or that are not compared."""
    out: dict[str, Any] = {}
    for f in fields(value):
        if not f.compare:
            continue
        v = getattr(value, f.name)
        default = (
            f.default
            if f.default is not MISSING
            else (f.default_factory() if f.default_factory is not MISSING else MISSING)
        )
        if default is MISSING or v != default:
            out[f.name] = spec(v) if is_dataclass(v) else float(v) if f.name in _floats(type(value)) else v  # type: ignore[arg-type]
    return out


@lru_cache(maxsize=64)
def _floats(kind: type) -> frozenset[str]:
    """The fields of a dataclass that hold floats (or None): an integer in one of them enters ids as a float."""
    return frozenset(name for name, hint in get_type_hints(kind).items() if hint in (float, float | None))


@dataclass(frozen=True, slots=True)
class Model:
    """The weights and how they were trained: the model's share of what decides a picture.

    ``weights`` is ``b2:<digest of the files>`` or ``<repo>@<revision>``; ``vae`` likewise when another VAE is used.
    ``clip_skip`` counts layers from the end as A1111 does (1: the last layer).
    """

    weights: str
    schedule: NoiseSchedule = field(default_factory=NoiseSchedule)
    channels: int = 4
    scale: int = 8
    clip_skip: int = 1
    vae: str = ""


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera looks: ``zoom`` > 0 (2.0 shows the middle half), ``x``/``y`` in fractions of the frame
    (right and down positive), ``roll`` in degrees clockwise."""

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True)
class PromptBlend:
    """Blend towards a second prompt and a second seed by ``amount`` in [0, 1]: text embeddings are interpolated,
    noise is slerped (by ``seed_amount`` if that is another)."""

    prompt: str
    negative: str
    seed: int
    amount: float
    seed_amount: float | None = None


@dataclass(frozen=True, slots=True)
class Overlay:
    """The picture of an earlier shot, laid into another one as ``camera`` (over it) shows it."""

    shot: str
    camera: Camera


@dataclass(frozen=True, slots=True)
class Start:
    """A shot that starts from an earlier one's stored picture instead of from noise alone.

    The picture of shot ``parent`` is seen through ``camera``, colour-matched to shot ``colours`` (if given),
    re-noised by ``strength`` in (0, 1] and denoised. With ``paint`` only what lies outside the parent's frame
    (and a soft seam) is painted; the inside is kept as known. With ``inlay`` that picture lies over the parent's and
    is kept as known, only what lies around it is re-noised.
    """

    parent: str
    strength: float
    camera: Camera = Camera()
    paint: bool = False
    colours: str = ""
    inlay: Overlay | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """One denoised picture of exactly ``width`` x ``height`` pixels (rendered on the latent grid, then cropped)."""

    model: Model
    prompt: str
    negative: str
    seed: int
    width: int
    height: int
    sampler: str
    steps: int
    guidance: float
    guidance_interval: tuple[float, float] = ALWAYS
    toward: PromptBlend | None = None
    start: Start | None = None

    @property
    def id(self) -> str:
        return digest(self.spec())

    def spec(self) -> dict[str, Any]:
        """The canonical dict that the id hashes and that files carry."""
        s: dict[str, Any] = {
            "v": SPEC_VERSION,
            "model": model_spec(self.model),
            "prompt": self.prompt,
            "negative": self.negative,
            "seed": self.seed,
            "size": (self.width, self.height),
            "sampler": sampler_spec(self.sampler),
            "steps": self.steps,
            "guidance": float(self.guidance),
        }
        if self.guidance_interval != ALWAYS:
            s["guidance_interval"] = [float(v) for v in self.guidance_interval]
        if self.toward is not None:
            s["toward"] = spec(self.toward)
        if self.start is not None:
            s["start"] = spec(self.start)
        return s

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the shots whose pictures must exist before this one can start."""
        if self.start is None:
            return ()
        inlay = self.start.inlay.shot if self.start.inlay else ""
        return tuple(dict.fromkeys(p for p in (self.start.parent, self.start.colours, inlay) if p))


@lru_cache(maxsize=64)
def sampler_spec(name: str) -> Mapping[str, Any]:
    return spec(SAMPLERS[name])


@lru_cache(maxsize=64)
def model_spec(model: Model) -> Mapping[str, Any]:
    return spec(model)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How frames become a file. ``codec`` is a name in ``video_codecs.CODECS``, ``quality`` x264's crf (1 best – 51).
    Frames are composed ``supersample`` times finer and averaged; ``interpolate`` - 1 motion-compensated frames come
    between two. These defaults are the configuration's, and part of every video's id: they cannot change."""

    codec: str = "h264"
    quality: int = 18
    preset: Preset = "veryfast"
    supersample: int = 1
    interpolate: int = 1


@dataclass(frozen=True, slots=True)
class Layer:
    """One shot seen through a camera with a weight; a frame is the weighted sum of its layers.

    With ``seam`` > 0 the layer is not added but laid over those before it, where its picture is, with an edge that
    softens over ``seam`` (a share of the picture's shorter side, inside it).
    """

    shot: int
    camera: Camera = Camera()
    weight: float = 1.0
    seam: float = 0.0


Frame = tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Video:
    """What makes a job a video: its motion (a frozen :class:`sdbatch.motion.settings.Motion`) and its encoding.

    ``sdbatch.motion`` derives shots and frames from it; both are pure, so they are never stored in a job.
    """

    motion: Any
    encoding: Encoding = Encoding()


@dataclass(frozen=True, slots=True)
class Job:
    """One picture or one video. ``slug``, ``labels`` and ``origin`` are for users: they are not in the id."""

    id: str
    shot: Shot  # the picture; for a video what its shots derive from
    video: Video | None = None
    slug: str = ""
    labels: tuple[tuple[str, str], ...] = ()  # (axis, value) in plan order
    origin: str = ""  # id of the job that this one was made from (a draft)

    @property
    def path(self) -> str:
        """Relative path of the finished file inside outputs/<name>/."""
        codec = self.video.encoding.codec if self.video else None
        return job_file(self.slug, self.shot.seed, self.id, codec)
