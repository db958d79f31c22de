"""Another tool's infotext as a job, and every assumption that it took. Knows no files."""

from __future__ import annotations

from typing import Any

from sdbatch import motion, specs
from sdbatch.errors import nearest
from sdbatch.experiment import EncodingSettings, Sampling
from sdbatch.jobs import SPEC_VERSION, Encoding, Job, Model, model_spec, sampler_spec
from sdbatch.motion.settings import Motion
from sdbatch.samplers import SAMPLERS
from sdbatch.text import slug

HARMLESS = ("Version", "Model hash", "VAE", "VAE hash", "RNG", "Schedule type", "Denoising strength")
OURS = "sdbatch "


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
    sampler = of("sampler", usual.sampler)
    if sampler not in SAMPLERS:
        hint = nearest(sampler, SAMPLERS)
        assumed.append(f"sampler: {sampler[:60]!r} is not ours, {usual.sampler} taken" + (f" ({hint})" if hint else ""))
        sampler = usual.sampler
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
    shot = specs.shot(data, key)
    made = motion.make(shot, Motion(), Encoding(**EncodingSettings().model_dump()), slug(shot.prompt))
    return made, (*assumed, *_unsaid(said, model))


def _unsaid(said: dict[str, Any], model: Model) -> list[str]:
    """What no infotext can tell us, or what it tells of things that are not here."""
    extras, out = said["extras"], []
    if said.get("model") != model.weights.replace(":", "-"):
        out.append(f"weights: {str(said.get('model', 'not given'))[:80]!r} is a name only, {model.weights[:80]} taken")
    if not str(extras.get("Version", "")).startswith(OURS):
        out.append("noise: drawn on the CPU; other tools may draw it on the GPU, which is another picture")
    if "<lora:" in said["prompt"] or "<hypernet:" in said["prompt"]:
        out.append("prompt: <lora:…> and <hypernet:…> are text here")
    if unused := [k for k in extras if k not in HARMLESS]:
        out.append(f"not used: {', '.join(unused)[:200]}")
    return out
