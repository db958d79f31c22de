"""Converts the infotext of other tools into a job, and lists every assumption. Does not read files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from sdbatch import motion
from sdbatch.config.experiment import Sampling
from sdbatch.config.passes import HiresSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError
from sdbatch.media import infotext
from sdbatch.models.adapters import Adapters
from sdbatch.models.upscalers import Upscalers
from sdbatch.motion.settings import Motion
from sdbatch.plan import parse
from sdbatch.plan.lora_axis import with_loras
from sdbatch.prompts.networks import extract
from sdbatch.prompts.schedule import changes
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.adapters import Lora
from sdbatch.spec.jobs import SPEC_VERSION, Encoding, Job, Model, model_spec, sampler_spec
from sdbatch.spec.passes import LANCZOS, LATENT, Pass, Upscaler
from sdbatch.spec.ranges import slug
from sdbatch.spec.wording import has_step_syntax

IGNORED = ("Version", infotext.MODEL_HASH, "VAE hash", "RNG", infotext.SCHEDULE, infotext.LORAS, infotext.EMBEDDINGS)
OURS = "sdbatch "
SYNTAX = {  # of prompts in other tools that sdbatch does not have
    "<hypernet:…> is treated as text": re.compile("<hypernet:"),
}
LATER = "prompt: [from:to:when] and [a|b] change the text at the step; A1111 does so one evaluation later"


def job(  # noqa: PLR0913, PLR0917  (what can be used)
    fields: dict[str, Any],
    model: Model,
    size: tuple[int, int],
    key: str,
    adapters: Adapters | None = None,
    upscalers: Upscalers | None = None,
) -> tuple[Job, tuple[str, ...]]:
    """(picture job, assumptions) of ``fields``, the result of ``infotext.parse``. Raises ConfigError.

    ``size`` is (width, height) of the picture; ``key`` is the dotted key for error messages; ``adapters`` has the LoRAs
    and textual inversions that can be used, ``upscalers`` the networks of a second pass.
    """
    text, loras, lost = adapters_of(fields, adapters or Adapters((), ()), key)
    model = with_loras(model, loras, 1.0)
    data, assumed = _shot_data(fields, model, text, size)
    shot = replace(parse.shot(data, key), model=model)
    if adapters is not None:
        shot = replace(shot, embeddings=adapters.in_texts((shot.prompt, shot.negative)))
    passes, more = second_pass(fields["extras"], shot.steps, upscalers or Upscalers((), {}))
    made = motion.make(shot, Motion(), Encoding(), slug(shot.prompt), passes=passes)
    return made, (*assumed, *lost, *more, *_limitations(fields, model, bool(passes)))


def _shot_data(
    fields: dict[str, Any], model: Model, text: str, size: tuple[int, int]
) -> tuple[dict[str, Any], list[str]]:
    """A shot's data as ``parse.shot`` reads them, with the prompt ``text``, and the assumptions about it."""
    usual, assumed = Sampling(), []

    def value(name: str, default: Any) -> Any:
        if name in fields:
            return fields[name]
        assumed.append(f"{name}: not given, using {default}")
        return default

    if not ("width" in fields and "height" in fields):
        assumed.append(f"size: not given, using the picture's {size[0]}x{size[1]}")
    sampler, more = _sampler(value("sampler", usual.sampler), fields["extras"].get(infotext.SCHEDULE, ""))
    assumed += more
    data = {
        "v": SPEC_VERSION,
        "model": model_spec(model),
        "prompt": text,
        "negative": fields["negative"],
        "seed": value("seed", 0),
        "size": [fields.get("width", size[0]), fields.get("height", size[1])],
        "sampler": sampler_spec(sampler),
        "steps": value("steps", usual.steps),
        "guidance": value("guidance", usual.guidance),
        "step_syntax": has_step_syntax(text, fields["negative"]),
    }
    return data, assumed


def second_pass(extras: dict[str, str], steps: int, upscalers: Upscalers) -> tuple[tuple[Pass, ...], list[str]]:
    """A1111's second pass, if the infotext has one, and the assumptions about it. Without steps it has those of the
    first."""
    if infotext.HIRES not in extras:
        return (), []
    name = str(extras.get(infotext.HIRES_UPSCALER, "Latent"))
    try:
        count = int(extras.get(infotext.HIRES_STEPS, 0)) or steps
        strength = float(extras.get(infotext.DENOISING, 0.7))
        given = {"scale": float(extras[infotext.HIRES]), "strength": strength, "steps": count}
        found = check(HiresSettings, given)
    except (ValueError, ConfigError):
        return (), [f"second pass: its settings are not understood, left out: {str(extras[infotext.HIRES])[:40]}"]
    assumed = []
    if name.casefold().startswith(LATENT):
        upscaler = Upscaler(LATENT)
        assumed.append("second pass: the picture is encoded again; A1111 enlarges the latent that it has in memory")
    else:
        try:
            upscaler = upscalers.find(name.casefold() if name.casefold() == LANCZOS else name, infotext.HIRES_UPSCALER)
        except ConfigError:
            upscaler = Upscaler(LANCZOS)
            assumed.append(f"second pass: there is no upscaler {name[:60]!r} here, using lanczos")
    return (Pass(found.scale, found.strength, count, upscaler),) if found.scale > 1 else (), assumed


def adapters_of(fields: dict[str, Any], adapters: Adapters, key: str) -> tuple[str, tuple[Lora, ...], list[str]]:
    """(prompt without LoRAs, the LoRAs found by hash, else by name; assumptions about the others)."""
    known = infotext.hashes(fields["extras"].get(infotext.LORAS, ""))
    try:
        text, tags = extract(fields["prompt"])
    except ValueError as e:
        return fields["prompt"], (), [f"prompt: {e}; treated as text"]
    loras: list[Lora] = []
    assumed: list[str] = []
    for tag in tags:
        path = adapters.lora_file(tag.name, known.get(tag.name, ""))
        if path is None:
            assumed.append(f"LoRA {tag.name[:60]}: not in {adapters.loras.said}, left out")
            continue
        found = adapters.lora(str(path), tag.unet, tag.text, key)
        if found.hash != known.get(tag.name):
            why = "its hash is another" if tag.name in known else "no hash is given"
            assumed.append(f"LoRA {tag.name[:60]}: found by its name; {why}")
        loras.append(found)
    return text, tuple(loras), assumed


def _sampler(name: str, schedule: str) -> tuple[str, list[str]]:
    """(sampler, assumptions) for the name and the noise schedule that the infotext gives."""
    sampler, out = name, []
    if name not in SAMPLERS:  # for example LMS Karras: use LMS
        kind = infotext.sampler(name.rpartition(" ")[0])
        sampler = kind if kind in SAMPLERS else Sampling().sampler
        out.append(f"sampler: unknown sampler {name[:60]!r}, using {sampler}")
    noise = schedule.casefold()
    if noise == "automatic" and sampler == "dpmpp_2m":
        return "dpmpp_2m_karras", [*out, "schedule: 'Automatic' means Karras for DPM++ 2M, using dpmpp_2m_karras"]
    if noise == "automatic" and sampler == "dpmpp_2m_sde":
        out.append("schedule: 'Automatic' means Exponential for DPM++ 2M SDE, using that of dpmpp_2m_sde")
    elif noise not in ("", "automatic", "uniform") and not sampler.endswith(f"_{noise}"):
        out.append(f"schedule: {schedule[:60]!r} is not available for this sampler, using that of {sampler}")
    return sampler, out


def _limitations(fields: dict[str, Any], model: Model, passes: bool = False) -> list[str]:
    """Assumptions about values that an infotext does not contain, and features that sdbatch does not have."""
    extras, out = fields["extras"], []
    how, ours = infotext.is_of(fields, model), str(extras.get("Version", "")).startswith(OURS)
    if how == "name" and not ours:
        out.append(f"weights: found by their name, {model.name}")
    if not how:
        name = f"{str(fields['model'])[:80]!r} does not identify them" if "model" in fields else "not given"
        out.append(f"weights: {name}, using {model.weights[:80]}")
    if not ours and extras.get("RNG") != "CPU":
        out.append("noise: generated on the CPU; other tools may generate it on the GPU, which gives another picture")
    texts = fields["prompt"] + fields["negative"]
    if changes(fields["prompt"]) or changes(fields["negative"]):
        out.append(LATER)
    out += [f"prompt: {what}" for what, pattern in SYNTAX.items() if pattern.search(texts)]
    own = {"VAE": model.vae.replace(":", "-")}
    ignored = (*IGNORED, *(infotext.OF_SECOND_PASS if passes else ()))
    if unused := [k for k in extras if k not in ignored and extras[k] != own.get(k)]:
        out.append(f"not used: {', '.join(unused)[:200]}")
    return out
