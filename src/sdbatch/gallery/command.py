"""A job as a command line: Hydra overrides that plan exactly this job, and nothing else. Knows no shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from sdbatch.config.experiment import ModelSettings, Sampling
from sdbatch.prompts.syntax import variants
from sdbatch.spec.jobs import Encoding, Job, Video, spec

GROUPS = {"hub": "sd15"}  # kinds of models whose group has another name
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PLAIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./@+-]*")
_NOT_TEXT = re.compile(r"(?i)(null|true|false|nan|inf|[\d._+-].*)")


def overrides(name: str, model: ModelSettings, job: Job) -> list[str]:
    """Arguments of ``python -m sdbatch`` that render ``job`` alone, into outputs/<name>-one/."""
    return [f"name={name[:60]}-one", *of_model(model), *of_texts(job), *of_settings(job), f"seeds={job.shot.seed}"]


def of_model(model: ModelSettings) -> list[str]:
    """Which weights. Folders stay at home: of a path only the last part is told."""
    out = [f"model={GROUPS.get(model.kind, model.kind)}"]
    for key in ("repo", "revision", "path", "vae", "clip_skip", "safety_checker"):
        value = getattr(model, key)
        if value != type(model).model_fields[key].default:
            plain = PurePath(value).name if key in ("path", "vae") else value
            out.append(f"model.{key}={written(plain)}")
    return out


def of_texts(job: Job) -> list[str]:
    """Prompt and negative, each as it was rendered: braces that are left in it are literal."""
    text = job.shot.prompt
    if variants(text) != [text]:
        text = re.sub(r"([{|}])", r"\\\1", text)
    label = dict(job.labels).get("prompts", "")
    prompt: dict[str, Any] = {"id": label} if _LABEL.fullmatch(label) else {}
    negative = [f"negative={written(job.shot.negative)}"] if job.shot.negative else []
    return [f"prompts=[{written(prompt | {'text': text})}]", *negative]


def of_settings(job: Job) -> list[str]:
    """Canvas, sampling, motion and encoding."""
    shot, defaults = job.shot, Sampling()
    out = [f"canvas=[{shot.width}x{shot.height}]"]
    for key in Sampling.model_fields:
        value = getattr(shot, key)
        if value != getattr(defaults, key) or key != "guidance_interval":
            out.append(f"sampling.{key}={written(value)}")
    return out + list(of_video(job.video) if job.video else ())


def of_video(video: Video) -> Iterator[str]:
    for key, value in video.motion.model_dump(mode="json", exclude_defaults=True).items():
        yield f"motion.{key}={written(value)}"
    for key, value in spec(video.encoding).items() if video.encoding != Encoding() else ():
        yield f"encoding.{key}={written(value)}"


def written(value: Any) -> str:
    """``value`` in Hydra's grammar of overrides."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and not _NOT_TEXT.fullmatch(value) else _quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(written, value)) + "]"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else repr(value)


def _quoted(text: str) -> str:
    """In double quotes; backslashes count only before a quote or the end."""
    return '"' + re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + (r"\"" if m[2] else ""), text) + '"'
