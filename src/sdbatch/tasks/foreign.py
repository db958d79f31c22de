"""Another tool's infotext as a job, and every assumption that it took. Knows no files."""

from __future__ import annotations

import re
from typing import Any

from sdbatch import motion
from sdbatch.config.experiment import Sampling
from sdbatch.media import infotext
from sdbatch.motion.settings import Motion
from sdbatch.plan import parse
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.jobs import SPEC_VERSION, Encoding, Job, Model, model_spec, sampler_spec
from sdbatch.spec.ranges import slug

HARMLESS = ("Version", "Model hash", "VAE hash", "RNG", infotext.SCHEDULE)
OURS = "sdbatch "
SYNTAX = {  # of prompts, which is plain text or another thing here
    "<lora:…> and <hypernet:…> are text here": re.compile("<(?:lora|hypernet):"),
    "[from:to:when] and [a|b] change nothing while rendering here": re.compile(r"\[[^][:|]*[:|][^][]*\]"),
    "AND does not join prompts here": re.compile(r"\bAND\b"),
}


def job(said: dict[str, Any], model: Model, size: tuple[int, int], key: str) -> tuple[Job, tuple[str, ...]]:
    """The picture job that ``said`` (of ``infotext.parse``) tells, and what had to be assumed. Raises ConfigError."""
    usual, assumed = Sampling(), []

    def of(name: str, otherwise: Any) -> Any:
        if name in said:
            return said[name]
        assumed.append(f"{name}: not given, {otherwise} taken")
        return otherwise

    if not ("width" in said and "height" in said):
        assumed.append(f"size: not given, the picture's {size[0]}x{size[1]} taken")
    sampler, doubts = _sampler(of("sampler", usual.sampler), said["extras"].get(infotext.SCHEDULE, ""))
    assumed += doubts
    data = {
        "v": SPEC_VERSION,
        "model": model_spec(model),
        "prompt": said["prompt"],
        "negative": said["negative"],
        "seed": of("seed", 0),
        "size": [said.get("width", size[0]), said.get("height", size[1])],
        "sampler": sampler_spec(sampler),
        "steps": of("steps", usual.steps),
        "guidance": of("guidance", usual.guidance),
    }
    shot = parse.shot(data, key)
    made = motion.make(shot, Motion(), Encoding(), slug(shot.prompt))
    return made, (*assumed, *_unsaid(said, model))


def _sampler(theirs: str, schedule: str) -> tuple[str, list[str]]:
    """Our sampler for theirs and its schedule of noise levels, and what is another one."""
    ours, out = theirs, []
    if theirs not in SAMPLERS:  # LMS Karras: at least its kind
        kind = infotext.sampler(theirs.rpartition(" ")[0])
        ours = kind if kind in SAMPLERS else Sampling().sampler
        out.append(f"sampler: {theirs[:60]!r} is not ours, {ours} taken")
    wish = schedule.casefold()
    if wish == "automatic" and ours == "dpmpp_2m":
        return "dpmpp_2m_karras", [*out, "schedule: 'Automatic' is Karras for DPM++ 2M there, dpmpp_2m_karras taken"]
    if wish == "automatic" and ours == "dpmpp_2m_sde":
        out.append("schedule: 'Automatic' is Exponential for DPM++ 2M SDE there, that of dpmpp_2m_sde taken")
    elif wish not in ("", "automatic", "uniform") and not ours.endswith(f"_{wish}"):
        out.append(f"schedule: {schedule[:60]!r} is not ours for this sampler, that of {ours} taken")
    return ours, out


def _unsaid(said: dict[str, Any], model: Model) -> list[str]:
    """What no infotext can tell us, or what it tells of things that are not here."""
    extras, out = said["extras"], []
    if said.get("model") != model.weights.replace(":", "-"):
        name = f"{str(said['model'])[:80]!r} is a name only" if "model" in said else "not given"
        out.append(f"weights: {name}, {model.weights[:80]} taken")
    if not str(extras.get("Version", "")).startswith(OURS) and extras.get("RNG") != "CPU":
        out.append("noise: drawn on the CPU; other tools may draw it on the GPU, which is another picture")
    texts = said["prompt"] + said["negative"]
    out += [f"prompt: {what}" for what, pattern in SYNTAX.items() if pattern.search(texts)]
    own = {"VAE": model.vae.replace(":", "-")}
    if unused := [k for k in extras if k not in HARMLESS and extras[k] != own.get(k)]:
        out.append(f"not used: {', '.join(unused)[:200]}")
    return out
