"""A model on disk: diffusers folders and single files, checked and digested. Safetensors only, without torch.

A digest covers every file that determines pictures: weights, configurations, vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sdbatch.config.model import ModelSettings
from sdbatch.config.registry import DEFAULT_MODEL
from sdbatch.errors import ConfigError, shown
from sdbatch.models.digests import digest_files, digest_folder, sha256_of
from sdbatch.samplers import NoiseSchedule
from sdbatch.spec.canonical import digest
from sdbatch.spec.jobs import Model

SHIPPED = Path(__file__).parent  # weights and vocabularies in the package
CLIP = SHIPPED / "clip"
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl")
PARTS = ("unet", "vae", "text_encoder")
ORDINARY = "use the ordinary version of the model"
OTHER_INPUTS = {  # of a denoiser that needs more than a text, by its input channels
    5: "is a depth model: it needs a depth map beside the text",
    8: "is a model for instructions: it needs a picture to change",
}
INPAINTING = 9  # input channels of an inpainting model: the latent, a mask and the latent of what is kept
NO_WEIGHTS_NEEDED = f"model={DEFAULT_MODEL} is built in and needs no download"


@dataclass(frozen=True, slots=True)
class Source:
    """A model on disk. Only ``model`` is part of job ids."""

    kind: str  # a name in ``MODEL_KINDS``
    model: Model
    native: int  # side of the square that the model was trained at, in pixels
    chunk: int  # text tokens per chunk without start and end (75 for CLIP)
    vocabulary: Path  # folder with vocab.json and merges.txt
    renderer: str = "torch"  # a name in ``engine.renderers.RENDERERS``
    folder: Path | None = None  # diffusers layout
    file: Path | None = None  # single .safetensors checkpoint
    vae: Path | None = None  # another VAE: diffusers folder or single file
    safety_checker: bool = False
    # Files of LoRAs, textual inversions and ControlNets, by digest.
    adapters: Mapping[str, Path] = field(default_factory=dict, compare=False)
    controls: tuple[str, ...] = ()  # digests of the ControlNets beside the denoiser, in the order of adding

    @property
    def key(self) -> str:
        """``Model.key``; with ControlNets another one: shots with equal keys are rendered with the same weights."""
        return digest([self.model.key, *self.controls], "w") if self.controls else self.model.key

    @property
    def remote(self) -> bool:
        """Whether the weights are named by a repository of the hub and have not been fetched yet."""
        return "@" in self.model.weights and self.folder is None

    @property
    def reads_text(self) -> bool:
        """Whether prompts are tokenized: the fake renderer takes any text."""
        return self.renderer != "fake"


def from_folder(settings: ModelSettings, folder: Path) -> Source:
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
            "model.path", f"{folder.name!r} has {native} pixels and {chunk} tokens: not an image model"
        )
    share = share_of_ids(settings, digest_folder(folder), _noise(folder), int(unet.get("out_channels", 4)), scale)
    model = replace(share, name=plain_name(folder.absolute().name))
    return Source(
        settings.kind,
        model,
        native,
        chunk,
        folder / "tokenizer" if (folder / "tokenizer" / "merges.txt").is_file() else CLIP,
        folder=folder,
        vae=vae_path(settings),
        safety_checker=settings.safety_checker and (folder / "safety_checker").is_dir(),
    )


def from_file(settings: ModelSettings, path: Path) -> Source:
    if path.suffix.lower() != ".safetensors":
        raise ConfigError.one("model.path", f"{path.name!r} is not a .safetensors file")
    tensors = shapes(path, "model.path")
    if any(name.startswith("conditioner.") for name in tensors):
        raise ConfigError.one("model.path", f"{path.name!r} is a Stable Diffusion XL checkpoint", "1.x is supported")
    first = tensors.get("model.diffusion_model.input_blocks.0.0.weight")
    if first is None:
        raise ConfigError.one("model.path", f"{path.name!r} is not a Stable Diffusion 1.x checkpoint")
    if first[1:2] not in ((4,), (INPAINTING,)):
        raise ConfigError.one(
            "model.path", f"{path.name!r} {other_inputs(first[1] if len(first) > 1 else 0)}", ORDINARY
        )
    noise = NoiseSchedule()
    if "v_pred" in tensors:  # empty tensors say so, as ComfyUI and A1111 read them
        noise = replace(noise, prediction="v_prediction", zero_snr="ztsnr" in tensors)
    share = share_of_ids(settings, digest_files({path.name: path}, by_name=False), noise)
    model = replace(share, name=plain_name(path.stem), hash=sha256_of(path)[:12])
    return Source(settings.kind, model, settings.native or 512, 75, CLIP, file=path, vae=vae_path(settings))


def share_of_ids(
    settings: ModelSettings, weights: str, noise: NoiseSchedule, channels: int = 4, scale: int = 8
) -> Model:
    """The part of a model that job ids contain. ``weights``: the digest of its files, or a name for them."""
    vae = vae_path(settings)
    digest = "" if vae is None else digest_folder(vae) if vae.is_dir() else digest_files({vae.name: vae}, by_name=False)
    return Model(weights, noise, channels, scale, settings.clip_skip, digest)


def included_for(path: Path) -> str:
    """Which model a LoRA or ControlNet of the package is for; empty for other files."""
    return "it is included for model=tiny" if path.is_relative_to(SHIPPED) else ""


def plain_name(name: str) -> str:
    """A name without the characters that separate names in prompts and infotexts."""
    return "".join("_" if c in '<>:,"' or not c.isprintable() else c for c in name)[:128]


def vae_path(settings: ModelSettings) -> Path | None:
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
    if unet.get("in_channels", 4) not in (unet.get("out_channels", 4), INPAINTING):
        raise ConfigError.one("model.path", other_inputs(unet.get("in_channels")), ORDINARY)


def other_inputs(channels: object) -> str:
    """Why a denoiser with so many input channels cannot render a text alone."""
    usual = f"has a denoiser with {shown(channels)} input channels: it needs more than a text"
    return OTHER_INPUTS.get(channels, usual) if isinstance(channels, int) else usual


def _need_safetensors(folder: Path, key: str) -> None:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = [p.name for p in folder.iterdir() if p.suffix in PICKLES] if folder.is_dir() else []
        what = f"only {pickles[0]} (a pickle file, which can run code)" if pickles else "no .safetensors file"
        raise ConfigError.one(key, f"{folder.name}/ has {what}", "use the safetensors version of the model")
    for file in files:
        shapes(file, key)


def shapes(path: Path, key: str) -> dict[str, tuple[int, ...]]:
    """Tensors of a safetensors file, by name; none is loaded. Raises ConfigError for a damaged file."""
    try:
        with safe_open(path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except OSError as e:
        raise ConfigError.one(key, f"{path.name!r} cannot be read: {e.strerror or e}") from e
    except SafetensorError as e:
        raise ConfigError.one(key, f"{path.name!r} is not a valid safetensors file ({e})") from e


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
        zero_snr=bool(config.get("rescale_betas_zero_snr", False)),
        guidance_rescale=float(config.get("guidance_rescale", 0.0)),
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


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a component in diffusers layout. Full precision is preferred to fp16."""
    files = sorted(folder.glob("*.safetensors"), key=lambda f: (".fp16" in f.name, ".non_ema" in f.name, f.name))
    return [f for f in files if "-of-" in f.name] or files[:1]
