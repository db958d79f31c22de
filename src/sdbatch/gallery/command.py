"""A job as a command line: Hydra overrides that plan exactly this job. Quotes for Hydra's grammar, not for a shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import PurePath
from typing import Any

from sdbatch.config.control import OF_START
from sdbatch.config.experiment import Sampling
from sdbatch.config.model import ModelSettings
from sdbatch.config.pictures import ALPHA, MaskSettings
from sdbatch.config.registry import MODEL_KINDS
from sdbatch.plan import passes
from sdbatch.prompts.expansion import escaped
from sdbatch.spec.canonical import spec
from sdbatch.spec.inputs import videos
from sdbatch.spec.jobs import Encoding, Job, Shot, Video
from sdbatch.spec.pictures import InputPicture

_REQUIRED = frozenset(f.name for f in fields(Shot) if f.default is MISSING)  # always written out
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PLAIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./@+-]*")
_NOT_TEXT = re.compile(r"(?i)(null|true|false|nan|inf|[\d._+-].*)")


def overrides(name: str, model: ModelSettings, job: Job) -> list[str]:
    """Arguments of ``python -m sdbatch`` that render only ``job``, into outputs/<name>-one/."""
    return [
        f"name={name[:60]}-one",
        *model_overrides(model),
        *prompt_overrides(job),
        *settings_overrides(job),
        f"seeds={job.shot.seed}",
    ]


def model_overrides(model: ModelSettings) -> list[str]:
    """Overrides that select the model. Paths are reduced to their last part, so that folders are not published."""
    out = [f"model={MODEL_KINDS[model.kind].group or model.kind}"]
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if key not in ("kind", "fake") and value != field.default:
            plain = PurePath(value).name if key in ("path", "vae") else value
            out.append(f"model.{key}={formatted(plain)}")
    return out


def prompt_overrides(job: Job) -> list[str]:
    """Overrides of the prompt and the negative prompt."""
    return [f"{key}={formatted(value)}" for key, value in prompt_settings(job).items()]


def prompt_settings(job: Job) -> dict[str, Any]:
    """The prompt and the negative prompt as rendered: remaining braces are escaped."""
    text = escaped(job.shot.prompt)
    label = dict(job.labels).get("prompts", "")
    prompt: dict[str, Any] = {"id": label} if _LABEL.fullmatch(label) else {}
    negative = {"negative": job.shot.negative} if job.shot.negative else {}
    return {"prompts": [prompt | {"text": text}], **negative}


def settings_overrides(job: Job) -> list[str]:
    """Overrides of canvas, LoRAs, users' pictures, sampling, passes, motion and encoding."""
    out = [f"canvas=[{job.shot.width}x{job.shot.height}]"]
    out += [f"loras={formatted(loras)}"] if (loras := lora_settings(job.shot)) else []
    for section, settings in (("init", init_settings(job.shot)), ("mask", mask_settings(job.shot))):
        out += [f"{section}.{key}={formatted(value)}" for key, value in settings.items()]
    out += [f"control={formatted(controls)}"] if (controls := control_settings(job.shot)) else []
    out += [f"sampling.{key}={formatted(value)}" for key, value in sampling_settings(job.shot).items()]
    out += pass_overrides(job)
    return [*out, *video_overrides(job)]


def pass_overrides(job: Job) -> list[str]:
    """Overrides of the passes after the first."""
    found = passes.sections(job.passes).items()
    return [f"{section}.{key}={formatted(value)}" for section, keys in found for key, value in keys.items()]


def lora_settings(shot: Shot) -> list[dict[str, Any]]:
    """The LoRAs by name, as ``loras`` lists them."""
    found = shot.model.loras
    return [
        {"path": lora.name, "weight": lora.unet} | ({} if lora.text is None else {"text": lora.text}) for lora in found
    ]


def init_settings(shot: Shot) -> dict[str, Any]:
    """The keys of ``init``, with the name of the picture's file."""
    if shot.init is None:
        return {}
    found = _named(shot.init.picture) | {"strength": shot.init.strength}
    return found | ({} if shot.init.resize == "fill" else {"resize": shot.init.resize})


def mask_settings(shot: Shot) -> dict[str, Any]:
    """The keys of ``mask``, with the name of its file."""
    mask = shot.init.mask if shot.init else None
    if shot.init is None or mask is None:
        return {}
    usual = MaskSettings()
    found: dict[str, Any] = {"image": PurePath(mask.picture.path).name if mask.picture else ALPHA}
    found |= {k: getattr(mask, k) for k in ("invert", "blur", "content") if getattr(mask, k) != getattr(usual, k)}
    found |= {"padding": mask.area.padding} if mask.area else {}
    sides = {k: v for k, v in spec(shot.init.extend).items() if v}
    across, along = (1 / (side or 1) for side in (shot.init.picture.width, shot.init.picture.height))
    shares = {"left": across, "right": across, "top": along, "bottom": along}  # 1 would be the whole side, not a pixel
    return found | ({"outpaint": {k: shares[k] if v == 1 else v for k, v in sides.items()}} if sides else {})


def control_settings(shot: Shot) -> list[dict[str, Any]]:
    """The ControlNets and their pictures by name, as ``control`` lists them."""
    return [
        {"net": one.name, **(_named(one.picture) if one.picture else {"image": OF_START})}
        | {f.name: getattr(one, f.name) for f in fields(one)[2:] if f.compare and getattr(one, f.name) != f.default}
        for one in shot.controls
    ]


def _named(picture: InputPicture) -> dict[str, Any]:
    """The key of a picture or a video, with the name of its file."""
    return {"video" if picture.clip else "image": PurePath(picture.path).name}


def sampling_settings(shot: Shot) -> dict[str, Any]:
    """The keys of ``sampling`` that differ from the defaults, and those that every job names."""
    defaults = Sampling()
    found = {key: getattr(shot, key) for key in Sampling.model_fields}
    return {k: v for k, v in found.items() if v != getattr(defaults, k) or k in _REQUIRED}


def job_settings(job: Job) -> dict[str, Any]:
    """The keys of an experiment that plans exactly ``job`` with the right model, as nested data."""
    shot = job.shot
    out = prompt_settings(job) | {"canvas": [f"{shot.width}x{shot.height}"], "seeds": shot.seed}
    out |= {"sampling": sampling_settings(shot), **passes.sections(job.passes)}
    found: dict[str, Any] = {"loras": lora_settings(shot), "init": init_settings(shot), "mask": mask_settings(shot)}
    found |= {"control": control_settings(shot)}
    out |= {key: value for key, value in found.items() if value}
    if shot.model.clip_skip != 1:
        out["model"] = {"clip_skip": shot.model.clip_skip}
    if job.video is not None:
        out["motion"] = _motion(job, job.video)
        out["encoding"] = spec(job.video.encoding) if job.video.encoding != Encoding() else {}
    return out


def all_settings(job: Job) -> Iterator[str]:
    """Sampling, passes, motion and encoding as in ``settings_overrides``, with defaults that everybody looks for."""
    shot, video = job.shot, job.video
    yield from (f"sampling.{key}={formatted(getattr(shot, key))}" for key in Sampling.model_fields)
    yield from pass_overrides(job)
    if video is None:
        return
    given = [*video_overrides(job)]
    usual = {"motion.fps": float(video.motion.fps), "encoding.codec": video.encoding.codec}
    keys = {pair.partition("=")[0] for pair in given}
    yield from [*given, *(f"{key}={formatted(value)}" for key, value in usual.items() if key not in keys)]


def _motion(job: Job, video: Video) -> dict[str, Any]:
    """The keys of ``motion``; a user's video would decide a rate that is not there."""
    found: dict[str, Any] = video.motion.model_dump(mode="json", exclude_defaults=True)
    return found | ({"fps": str(video.motion.fps)} if videos(job.shot) else {})


def video_overrides(job: Job) -> Iterator[str]:
    """Overrides of motion and encoding."""
    if (video := job.video) is None:
        return
    for key, value in _motion(job, video).items():
        yield f"motion.{key}={formatted(value)}"
    audio = video.encoding.audio
    named = {"audio": PurePath(audio.path).name} if audio else {}
    for key, value in (spec(video.encoding) | named).items() if video.encoding != Encoding() else ():
        yield f"encoding.{key}={formatted(value)}"


def formatted(value: Any) -> str:
    """``value`` in the grammar of Hydra's overrides."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and not _NOT_TEXT.fullmatch(value) else _quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{formatted(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(formatted, value)) + "]"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else repr(value)


def _quoted(text: str) -> str:
    """``text`` in double quotes; backslashes are escaped only before a quote and at the end, as Hydra requires."""
    return '"' + re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + (r"\"" if m[2] else ""), text) + '"'
