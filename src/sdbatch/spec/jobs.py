"""What is rendered: frozen values and their ids. Does not depend on devices, folders or configuration files.

A *job* is one picture or one video. A *shot* is one denoised picture: a still needs one shot, and one more for every
pass that follows; a video needs several. ``Shot.id`` hashes everything that decides the shot's pixels. A still's job id
is its last shot's id. A video's job id hashes its shots, its frames and its encoding, so a new fps only encodes again.

Ids are digests (``spec/canonical.py``). Samplers and models enter with their literal parameters, never with computed
floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache, lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import Annotated, Any

from annotated_types import Ge, Le

from sdbatch.samplers import SAMPLERS, NoiseSchedule
from sdbatch.spec.adapters import Embedding, Lora
from sdbatch.spec.canonical import canonical, digest, plain_field, spec
from sdbatch.spec.canvas import Size
from sdbatch.spec.codecs import Preset
from sdbatch.spec.control import Control
from sdbatch.spec.file_names import job_file, usual_stem
from sdbatch.spec.limits import GUIDANCE, STEPS
from sdbatch.spec.passes import Pass
from sdbatch.spec.pictures import Init
from sdbatch.spec.sound import Sound
from sdbatch.spec.start import WHOLE, Camera, Start

SPEC_VERSION = 1
ALWAYS = (0.0, 1.0)  # guidance in every evaluation


@dataclass(frozen=True, slots=True)
class Model:
    """Everything about the model that decides a picture.

    ``weights`` is ``b2:<digest of the files>`` or ``<repo>@<revision>``, and so is ``vae`` if another VAE is used.
    ``channels`` and ``scale`` are the latent's channels and pixels per cell. ``clip_skip`` counts text encoder layers
    from the end, as A1111 does (1: the last layer). ``loras`` are merged into the weights in this order. ``name`` (of
    the file or folder) and ``hash`` (SHA-256 of the file, 12 digits) are for people and other programs, and not in ids.
    """

    weights: str
    schedule: NoiseSchedule = field(default_factory=NoiseSchedule)
    channels: int = 4
    scale: int = 8
    clip_skip: int = 1
    vae: str = ""
    loras: tuple[Lora, ...] = ()
    name: str = field(default="", compare=False)
    hash: str = field(default="", compare=False)

    @property
    def plain(self) -> Model:
        """Without LoRAs."""
        return replace(self, loras=()) if self.loras else self

    @property
    def key(self) -> str:
        """``w`` and 16 hex digits: shots with equal keys are rendered with the same weights."""
        return _model_key(self)


@dataclass(frozen=True, slots=True)
class PromptBlend:
    """A second prompt and seed, blended in by ``amount`` in [0, 1]. Text embeddings are interpolated linearly, noise
    spherically (slerp), by ``seed_amount`` if it is set."""

    prompt: str
    negative: str
    seed: int
    amount: float
    seed_amount: float | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """One denoised picture of exactly ``width`` x ``height`` pixels (rendered on the latent grid, then cropped).

    ``guidance`` is the CFG scale; ``guidance_interval`` the part (from, to) of the evaluations, in [0, 1], that use it,
    ``guidance_rescale`` the share in [0, 1] of its rescaling (Lin et al., arXiv:2305.08891, eq. 16; None: the model's).
    ``step_syntax``: the texts change with the step and have parts (``[a:b:0.4]``, ``[a|b]``, ``AND``). Without it these
    are plain text, as in files of versions that did not know them. ``embeddings`` are those that the texts name;
    the residuals of ``controls`` are added in their order. It starts from ``start``, an earlier shot, or ``init``, a
    user's picture. The ranges validate shots that are read from untrusted files.
    """

    model: Model
    prompt: str
    negative: str
    seed: int
    width: int
    height: int
    sampler: str
    steps: Annotated[int, Ge(STEPS.low), Le(STEPS.high)]
    guidance: Annotated[float, Ge(GUIDANCE.low), Le(GUIDANCE.high)]
    guidance_interval: tuple[float, float] = ALWAYS
    toward: PromptBlend | None = None
    start: Start | None = None
    step_syntax: bool = False
    guidance_rescale: Annotated[float, Ge(0), Le(1)] | None = None
    embeddings: tuple[Embedding, ...] = ()
    controls: tuple[Control, ...] = ()
    init: Init | None = None

    @property
    def id(self) -> str:
        """``j`` and 16 hex digits."""
        return digest(self.spec())

    def spec(self) -> dict[str, Any]:
        """The canonical dict that the id hashes and that file metadata contains."""
        required = {
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
        return required | {
            name: plain_field(self, name) for name, default in _optional() if getattr(self, name) != default
        }

    def with_seed(self, seed: int) -> Shot:
        """The same shot with another seed; as ``dataclasses.replace``, which a plan of a million jobs waits for."""
        values = list(_values(self))
        values[_SEED_AT] = seed
        return Shot(*values)

    def starting(self, start: Start) -> Shot:
        """The same shot from an earlier shot's picture, instead of a user's."""
        return replace(self, start=start, init=None)

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the shots whose pictures this shot needs."""
        if self.start is None:
            return ()
        inlay = self.start.inlay.shot if self.start.inlay else ""
        return tuple(dict.fromkeys(p for p in (self.start.parent, self.start.colours, inlay) if p))


_values = attrgetter(*(f.name for f in fields(Shot)))
_SEED_AT = [f.name for f in fields(Shot)].index("seed")
_SEED = '"seed":"?"'  # texts cannot contain it: quotes inside are escaped


def ids_by_seed(shot: Shot, seeds: Iterable[int]) -> Iterator[str]:
    """The ids of ``shot`` with each of ``seeds``: the rest of their JSON is the same, and encoded once."""
    before, _, after = canonical(shot.spec() | {"seed": "?"}).partition(_SEED)
    base = blake2b(f'{before}"seed":'.encode("utf-8", "surrogatepass"), digest_size=8)
    end = after.encode("utf-8", "surrogatepass")
    for seed in seeds:
        hashed = base.copy()
        hashed.update(b"%d%b" % (seed, end))
        yield f"j{hashed.hexdigest()}"


@cache
def _optional() -> tuple[tuple[str, Any], ...]:
    """The fields of Shot that have a default, with it."""
    return tuple((f.name, f.default) for f in fields(Shot) if f.default is not MISSING)


@lru_cache(maxsize=64)
def sampler_spec(name: str) -> Mapping[str, Any]:
    return spec(SAMPLERS[name])


@lru_cache(maxsize=1024)
def model_spec(model: Model) -> Mapping[str, Any]:
    return spec(model)


@lru_cache(maxsize=1024)
def _model_key(model: Model) -> str:
    return digest(model_spec(model), "w")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How frames become a file. ``codec`` is a name in ``video_codecs.CODECS``, ``quality`` x264's crf (1 best – 51).
    Frames are composed ``supersample`` times finer and averaged; ``interpolate`` - 1 motion-compensated frames come
    between two; ``audio`` is cut or repeated to the video's length. These defaults are the configuration's, and part of
    every video's id: they cannot change."""

    codec: str = "h264"
    quality: int = 18
    preset: Preset = "veryfast"
    supersample: int = 1
    interpolate: int = 1
    audio: Sound | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """One shot (an index) seen through a camera with a weight; a frame is the weighted sum of its layers.

    With ``seam`` > 0 the layer is not added but composited over the layers before it, where its picture is, with an
    edge feathered over ``seam`` (a fraction of the picture's shorter side, inside it).
    """

    shot: int
    camera: Camera = WHOLE
    weight: float = 1.0
    seam: float = 0.0


Frame = tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Video:
    """The motion of a video job (a frozen :class:`sdbatch.motion.settings.Motion`) and its encoding.

    ``sdbatch.motion`` computes shots and frames from it, so a job does not store them.
    """

    motion: Any
    encoding: Encoding = Encoding()


@dataclass(frozen=True, slots=True)
class Job:
    """One picture or one video. Only ``shot``, ``video`` and ``passes`` enter the id."""

    id: str
    shot: Shot  # the first pass of the picture, or the base shot of a video
    video: Video | None = None
    slug: str = ""
    labels: tuple[tuple[str, str], ...] = ()  # (axis, value) in plan order
    origin: str = ""  # id of the draft that this job was made from
    spread: bool = False  # whether its file lies in one of 256 folders, because the plan is large
    name: str = ""  # of its file, without the suffix; empty: the usual name, which contains the slug
    passes: tuple[Pass, ...] = ()  # after the first: over the picture, or over every keyframe of the video

    @property
    def size(self) -> Size:
        """The size of the finished picture or video."""
        width, height = self.shot.width, self.shot.height
        for each in self.passes:
            width, height = each.enlarged(width), each.enlarged(height)
        return Size(width, height)

    @property
    def path(self) -> str:
        """Relative path of the finished file inside outputs/<name>/."""
        codec = self.video.encoding.codec if self.video else None
        stem = self.name or usual_stem(self.slug, self.shot.seed, self.id)
        return job_file(stem, self.id, codec, self.spread)
