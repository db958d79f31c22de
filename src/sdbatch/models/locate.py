"""A model's weights: found, checked and digested without torch.

Safetensors only. A digest covers every file that decides a picture: weights, configurations, vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sdbatch.config.experiment import ModelSettings
from sdbatch.errors import ConfigError, shown
from sdbatch.models.digests import digest_files, digest_folder
from sdbatch.samplers import NoiseSchedule
from sdbatch.spec.jobs import Model

SHIPPED = Path(__file__).parent  # weights and vocabularies in the package
CLIP = SHIPPED / "clip"
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl")
PARTS = ("unet", "vae", "text_encoder")
ORDINARY = "use an ordinary 4-channel one"
NO_WEIGHTS_NEEDED = "model=tiny is built in and needs no download"


@dataclass(frozen=True, slots=True)
class Source:
    """A model on disk. ``model`` is its share of the job ids; the rest is where and is in no id."""

    kind: str  # tiny, hub, local, random_sd15, fake
    model: Model
    native: int  # side of the square that the model was trained at, in pixels
    chunk: int  # text tokens per chunk without start and end (75 for CLIP)
    vocabulary: Path  # folder with vocab.json and merges.txt
    folder: Path | None = None  # diffusers layout
    file: Path | None = None  # single .safetensors checkpoint
    vae: Path | None = None  # another VAE: diffusers folder or single file
    safety_checker: bool = False


def locate(settings: ModelSettings) -> Source:
    """Find the weights that ``settings`` names. Raises ConfigError that says what is missing and where it goes."""
    try:
        return KINDS[settings.kind](settings)
    except (OSError, RuntimeError, ValueError, TypeError, ArithmeticError) as e:  # what files of others may hold
        why = getattr(e, "strerror", None) or str(e)
        raise ConfigError.one("model.path", f"{shown(settings.path or settings.vae)} cannot be read: {why}") from e


def _tiny(settings: ModelSettings) -> Source:
    return _folder(settings, SHIPPED / "tiny")


def _local(settings: ModelSettings) -> Source:
    if not settings.path:
        raise ConfigError.one("model.path", "is missing", "model=local needs a diffusers folder or a .safetensors file")
    path = Path(settings.path).expanduser()
    if path.suffix.lower() in PICKLES:
        raise ConfigError.one(
            "model.path", f"{settings.path!r} is a pickle file, which can run code", "use .safetensors"
        )
    if path.is_dir():
        return _folder(settings, path)
    if not path.is_file():
        raise ConfigError.one("model.path", f"{settings.path!r} does not exist", NO_WEIGHTS_NEEDED)
    return _file(settings, path)


def _hub(settings: ModelSettings) -> Source:
    """A hub model is named by repository and commit; nothing is fetched before there is something to render."""
    if not settings.repo or not settings.revision:
        raise ConfigError.one(
            "model.revision", "is missing", "a hub model needs model.repo and the commit, model.revision"
        )
    model = _model(settings, f"{settings.repo}@{settings.revision}", NoiseSchedule())
    return Source(
        "hub", model, settings.native or 512, 75, CLIP, vae=_vae_path(settings), safety_checker=settings.safety_checker
    )


def _random_sd15(settings: ModelSettings) -> Source:
    model = _model(settings, "random_sd15:0", NoiseSchedule())
    return Source("random_sd15", model, settings.native or 512, 75, CLIP, vae=_vae_path(settings))


def _fake(settings: ModelSettings) -> Source:
    return Source("fake", _model(settings, "fake:1", NoiseSchedule()), settings.native or 128, 75, CLIP)


KINDS: dict[str, Callable[[ModelSettings], Source]] = {
    "tiny": _tiny,
    "hub": _hub,
    "local": _local,
    "random_sd15": _random_sd15,
    "fake": _fake,
}


def fetch(source: Source) -> Source:
    """The hub model of ``source`` on this disk: from the hub's cache, else downloaded (never with HF_HUB_OFFLINE)."""
    if source.kind != "hub":
        return source
    from huggingface_hub import snapshot_download

    repo, revision = source.model.weights.split("@")
    patterns = ["*/*.json", "*.json", "tokenizer/*", *(f"{p}/*.safetensors" for p in (*PARTS, "safety_checker"))]
    patterns_off = ["*/*.fp16.*", "*/*.non_ema.*"]
    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=patterns, ignore_patterns=patterns_off)
    except Exception as e:  # the hub client has no common base for offline, missing and refused
        raise ConfigError.one("model", _missing(repo, revision, e), NO_WEIGHTS_NEEDED) from e
    return replace(source, folder=Path(folder))


def _offline() -> bool:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    return bool(HF_HUB_OFFLINE)


def _missing(repo: str, revision: str, error: Exception) -> str:
    why = "HF_HUB_OFFLINE is set" if _offline() else " ".join(str(error).split())[:300] or type(error).__name__
    return (
        f"the weights of {repo} at {revision[:8]} are not on this machine and cannot be fetched ({why}); "
        f"on a machine with network run `hf download {repo} --revision {revision}` and copy its cache here, "
        "or give a folder: model=local model.path=FOLDER"
    )


def _folder(settings: ModelSettings, folder: Path) -> Source:
    missing = [p for p in PARTS if not (folder / p / "config.json").is_file()]
    if missing:
        raise ConfigError.one(
            "model.path", f"{shown(str(folder))} has no {missing[0]}/config.json", "is it a diffusers folder?"
        )
    for part in PARTS:
        _need_safetensors(folder / part, "model.path")
    unet, vae, text = (_json(folder / p / "config.json", "model.path") for p in PARTS)
    _check_architecture(unet)
    scale = 2 ** (len(vae.get("block_out_channels", (1, 1, 1, 1))) - 1)
    native = settings.native or int(unet.get("sample_size") or 64) * scale
    chunk = int(text.get("max_position_embeddings", 77)) - 2
    if not (64 <= native <= 4096 and chunk >= 1):
        raise ConfigError.one(
            "model.path", f"{folder.name!r} says {native} pixels and {chunk} tokens: no picture model"
        )
    model = _model(settings, digest_folder(folder), _noise(folder), int(unet.get("in_channels", 4)), scale)
    return Source(
        settings.kind,
        model,
        native,
        chunk,
        folder / "tokenizer" if (folder / "tokenizer" / "merges.txt").is_file() else CLIP,
        folder=folder,
        vae=_vae_path(settings),
        safety_checker=settings.safety_checker and (folder / "safety_checker").is_dir(),
    )


def _file(settings: ModelSettings, path: Path) -> Source:
    if path.suffix.lower() != ".safetensors":
        raise ConfigError.one("model.path", f"{path.name!r} is not a .safetensors file")
    tensors = shapes(path, "model.path")
    if any(name.startswith("conditioner.") for name in tensors):
        raise ConfigError.one("model.path", f"{path.name!r} is a Stable Diffusion XL checkpoint", "1.x is supported")
    first = tensors.get("model.diffusion_model.input_blocks.0.0.weight")
    if first is None:
        raise ConfigError.one("model.path", f"{path.name!r} holds no Stable Diffusion 1.x checkpoint")
    if first[1:2] != (4,):
        raise ConfigError.one("model.path", f"{path.name!r} is an inpainting or depth model", ORDINARY)
    model = _model(settings, digest_files({path.name: path}, by_name=False), NoiseSchedule())
    return Source(settings.kind, model, settings.native or 512, 75, CLIP, file=path, vae=_vae_path(settings))


def _model(settings: ModelSettings, weights: str, noise: NoiseSchedule, channels: int = 4, scale: int = 8) -> Model:
    vae = _vae_path(settings)
    digest = "" if vae is None else digest_folder(vae) if vae.is_dir() else digest_files({vae.name: vae}, by_name=False)
    return Model(weights, noise, channels, scale, settings.clip_skip, digest)


def _vae_path(settings: ModelSettings) -> Path | None:
    if settings.vae is None:
        return None
    path = Path(settings.vae).expanduser()
    if path.is_dir():  # the VAE alone, or a whole model
        path = path if (path / "config.json").is_file() else path / "vae"
        _json(path / "config.json", "model.vae")
        _need_safetensors(path, "model.vae")
    elif path.suffix.lower() != ".safetensors" or not path.is_file():
        raise ConfigError.one("model.vae", f"{settings.vae!r} is neither a diffusers folder nor a .safetensors file")
    else:
        shapes(path, "model.vae")
    return path


def _check_architecture(unet: dict[str, Any]) -> None:
    if unet.get("_class_name", "UNet2DConditionModel") != "UNet2DConditionModel" or unet.get("addition_embed_type"):
        raise ConfigError.one("model.path", "is not a Stable Diffusion 1.x/2.x model", "XL and newer are not supported")
    if unet.get("in_channels", 4) != unet.get("out_channels", 4):
        raise ConfigError.one("model.path", "is an inpainting or depth model", ORDINARY)


def _need_safetensors(folder: Path, key: str) -> None:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = [p.name for p in folder.iterdir() if p.suffix in PICKLES] if folder.is_dir() else []
        what = f"only {pickles[0]} (a pickle file, which can run code)" if pickles else "no .safetensors file"
        raise ConfigError.one(key, f"{folder.name}/ has {what}", "use the safetensors version of the model")
    for file in files:
        shapes(file, key)


def shapes(path: Path, key: str) -> dict[str, tuple[int, ...]]:
    """Tensors of a safetensors file, by name; none is loaded. Raises ConfigError for a file that is not whole."""
    try:
        with safe_open(path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except OSError as e:
        raise ConfigError.one(key, f"{path.name!r} cannot be read: {e.strerror or e}") from e
    except SafetensorError as e:
        raise ConfigError.one(key, f"{path.name!r} is not a whole safetensors file ({e})") from e


def _noise(folder: Path) -> NoiseSchedule:
    path = folder / "scheduler" / "scheduler_config.json"
    if not path.is_file():
        return NoiseSchedule()
    config = _json(path, "model.path")
    return NoiseSchedule(
        beta_schedule=config.get("beta_schedule", "scaled_linear"),
        beta_start=float(config.get("beta_start", 0.00085)),
        beta_end=float(config.get("beta_end", 0.012)),
        train_steps=int(config.get("num_train_timesteps", 1000)),
        prediction=config.get("prediction_type", "epsilon"),
        steps_offset=int(config.get("steps_offset", 0)),
        set_alpha_to_one=bool(config.get("set_alpha_to_one", False)),
    )


def _json(path: Path, key: str) -> dict[str, Any]:
    name = f"{path.parent.name}/{path.name}"
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or str(e)
        raise ConfigError.one(key, f"{name} cannot be read: {why}", "is it a diffusers folder?") from e
    if not isinstance(value, dict):
        raise ConfigError.one(key, f"{name} is not a mapping")
    return value
