"""Infotext: the ``parameters`` text that A1111's web UI writes into pictures and most tools read. Reads no files.

    a torii gate, sunset
    Negative prompt: clouds
    Steps: 20, Sampler: Euler a, CFG scale: 6, Seed: 1, Size: 512x512, Model: tiny, Version: sdbatch 0.1.0

The rules are those of ``modules/infotext_utils.py`` there: the last line holds the parameters, values with a comma, a
colon or a line break are JSON strings. The format is ambiguous for a prompt with a line that starts with
``Negative prompt:``; such a text also says how many lines the prompt has, so :func:`parse` gives it back exactly.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sdbatch.prompts import networks
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.adapters import Embedding, Lora
from sdbatch.spec.control import Control
from sdbatch.spec.jobs import Model, Shot
from sdbatch.spec.passes import LANCZOS, LATENT, Pass, evaluated
from sdbatch.spec.pictures import Init
from sdbatch.version import __version__

_NEGATIVE = "Negative prompt:"
_LINES = "Prompt lines"
SCHEDULE = "Schedule type"
MODEL_HASH = "Model hash"
LORAS, EMBEDDINGS = "Lora hashes", "TI hashes"
DENOISING, FIRST_DENOISING = "Denoising strength", "Init denoising strength"  # the latter beside a second pass
HIRES, HIRES_STEPS, HIRES_UPSCALER = "Hires upscale", "Hires steps", "Hires upscaler"
OF_SECOND_PASS = (DENOISING, HIRES, HIRES_STEPS, HIRES_UPSCALER)
_UPSCALERS = {LANCZOS: "Lanczos", LATENT: "Latent (bicubic)"}
_KEY = re.compile(r"\w[\w \-/]*$")
_QUOTED = re.compile(r'\s*("(?:[^"\\]|\\.)*")\s*(?:,|$)', re.DOTALL)


def write(shot: Shot, passes: Sequence[Pass] = ()) -> str:
    """The infotext of a shot, and of the passes that follow it."""
    prompt = " ".join(filter(None, (shot.prompt, *map(_tag, shot.model.loras))))
    fields = {
        "Steps": shot.steps,
        "Sampler": SAMPLERS[shot.sampler].infotext or shot.sampler,
        "CFG scale": repr(float(shot.guidance)).removesuffix(".0"),
        "Seed": shot.seed,
        "Size": f"{shot.width}x{shot.height}",
        "Model": shot.model.name or model_name(shot.model),
        MODEL_HASH: shot.model.hash[:10] or None,
        **(_init(shot.init) if shot.init else {}),
        "Clip skip": shot.model.clip_skip if shot.model.clip_skip > 1 else None,
        "VAE": shot.model.vae.replace(":", "-") or None,
        LORAS: _hashes(shot.model.loras),
        EMBEDDINGS: _hashes(shot.embeddings),
        **_of_passes(shot, passes),
        FIRST_DENOISING: f"{shot.init.strength:g}" if shot.init and any(p.strength for p in passes) else None,
        **{f"ControlNet {i}": _control(control) for i, control in enumerate(shot.controls)},
        _LINES: prompt.count("\n") + 1 if _ambiguous(prompt) else None,
        "Version": f"sdbatch {__version__}",
    }
    last = ", ".join(f"{key}: {_quote(str(value))}" for key, value in fields.items() if value is not None)
    negative = f"{_NEGATIVE} {shot.negative}" if shot.negative else None
    return "\n".join(part for part in (prompt or None, negative, last) if part is not None)


def _init(init: Init) -> dict[str, Any]:
    """The fields of image to image and of inpainting."""
    found: dict[str, Any] = {DENOISING: f"{init.strength:g}"}
    if (mask := init.mask) is None:
        return found
    area = {} if mask.area is None else {"Inpaint area": "Only masked", "Masked area padding": mask.area.padding}
    mode = {"Mask mode": "Inpaint not masked"} if mask.invert else {}
    names = {"nothing": "latent nothing", "fill": "fill"}
    content = {"Masked content": names[mask.content]} if mask.content in names else {}
    return found | {"Mask blur": f"{mask.blur:g}"} | mode | area | content


def _of_passes(shot: Shot, passes: Sequence[Pass]) -> dict[str, Any]:
    """A1111's fields of the second pass, and of the last enlargement."""
    out: dict[str, Any] = {}
    for each in passes:
        scale, upscaler = f"{each.scale:g}", _UPSCALERS.get(each.upscaler.method, str(each.upscaler))
        if each.strength:
            steps = each.steps or evaluated(shot.steps, each.strength)
            out |= {DENOISING: f"{each.strength:g}", HIRES: scale, HIRES_STEPS: steps, HIRES_UPSCALER: upscaler}
        else:
            out |= {"Postprocess upscale by": scale, "Postprocess upscaler": upscaler}
    return out


def _tag(lora: Lora) -> str:
    return networks.write(networks.Tag(lora.name or lora.file, lora.unet, lora.in_text))


def _control(control: Control) -> str:
    """A unit as A1111's ControlNet extension writes it."""
    fields = {
        "Module": control.preprocess,
        "Model": f"{control.name or control.net.replace(':', '-')}{f' [{control.hash}]' if control.hash else ''}",
        "Weight": control.weight,
        "Resize Mode": "Crop and Resize",
        "Guidance Start": control.start,
        "Guidance End": control.end,
        "Pixel Perfect": True,
        "Control Mode": "ControlNet is more important" if control.guess else "Balanced",
    }
    return ", ".join(f"{key}: {value}" for key, value in fields.items())


def _hashes(used: Iterable[Lora | Embedding]) -> str | None:
    """``name: hash`` of LoRAs or textual inversions."""
    return ", ".join(dict.fromkeys(f"{one.name}: {one.hash}" for one in used if one.hash)) or None


def hashes(text: str) -> dict[str, str]:
    """The inverse: hashes by name, of ``extras[LORAS]`` or ``extras[EMBEDDINGS]``."""
    pairs = (part.rpartition(":") for part in text.split(","))
    return {name.strip(): digest.strip() for name, _, digest in pairs if name.strip()}


def model_name(model: Model) -> str:
    """What the infotext calls weights without a name: a colon would need quotes, which simple readers skip."""
    return model.weights.replace(":", "-")


def is_of(fields: dict[str, Any], model: Model) -> str:
    """How the result of ``parse`` names ``model``: by its ``hash``, ``digest`` or ``name``; empty: not at all."""
    given, name = fields["extras"].get(MODEL_HASH, ""), fields.get("model")
    if given and model.hash:
        return "hash" if given.lower() == model.hash[:10] else ""
    return "digest" if name == model_name(model) else "name" if name and name == model.name else ""


def parse(text: str) -> dict[str, Any]:
    """Parse an infotext of sdbatch or A1111. Never raises: any other text is a prompt.

    Always ``prompt`` and ``negative``; where given ``steps``, ``sampler`` (sdbatch's name, if it has the sampler),
    ``guidance``, ``seed``, ``width``, ``height``, ``model``, ``clip_skip``; every other parameter, and every one whose
    value is not what its key promises, as text in ``extras``.
    """
    *lines, last = text.rstrip().split("\n")
    found = dict(_parameters(last))
    if len(found) < 3:  # A1111's own rule for "this line holds no parameters"
        lines, found = [*lines, last], {}
    joined = f"{found.get('Sampler')} {found.get(SCHEDULE)}"  # A1111 1.9 and later name the schedule apart
    if sampler(joined) in SAMPLERS:
        found["Sampler"] = joined
        del found[SCHEDULE]
    prompt, negative = _prompts(lines, found.pop(_LINES, ""))
    out: dict[str, Any] = {"prompt": prompt, "negative": negative}
    for key, read in _READ.items():
        try:
            out.update(read(found[key]))
        except (KeyError, ValueError):
            continue
        del found[key]
    return {**out, "extras": found}


def sampler(name: str) -> str:
    """The sdbatch name of a sampler in an infotext; ``name`` if there is none."""
    found = (own for own, entry in SAMPLERS.items() if entry.infotext.casefold() == name.casefold() != "")
    return next(found, name)


def _ambiguous(prompt: str) -> bool:
    return any(line.startswith(_NEGATIVE) for line in prompt.split("\n"))


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(c in value for c in ',:\n"') else value


def _prompts(lines: list[str], count: str) -> tuple[str, str]:
    """Prompt and negative of the lines above the parameters; ``count`` says how many the prompt has, if needed."""
    start = int(count) if count.isdecimal() and len(count) < 9 else 0
    marks = (i for i, line in enumerate(lines) if i >= start and line.startswith(_NEGATIVE))
    at = next(marks, len(lines))
    negative = "\n".join(lines[at:]).removeprefix(_NEGATIVE).removeprefix(" ")
    return "\n".join(lines[:at]), negative


def _parameters(line: str) -> Iterator[tuple[str, str]]:
    """(key, value) pairs in time linear in the line (A1111's regular expression is quadratic on a long prompt)."""
    at = 0
    while (colon := line.find(":", at)) >= 0:
        key = _KEY.search(line, max(at, line.rfind(",", at, colon) + 1, colon - 100), colon)
        if quoted := _QUOTED.match(line, colon + 1):
            value, at = _unquote(quoted[1]), quoted.end()
        else:
            at = line.find(",", colon) + 1 or len(line)
            value = line[colon + 1 : at].removesuffix(",").strip()
        if key:
            yield key[0], value


def _unquote(value: str) -> str:
    try:
        return str(json.loads(value, strict=False))
    except ValueError:
        return value


def _size(value: str) -> dict[str, Any]:
    width, height = value.split("x")
    return {"width": int(width), "height": int(height)}


def _finite(value: str) -> dict[str, Any]:
    if not math.isfinite(number := float(value)):
        raise ValueError(value)
    return {"guidance": number}


_READ: dict[str, Callable[[str], dict[str, Any]]] = {
    "Steps": lambda v: {"steps": int(v)},
    "Sampler": lambda v: {"sampler": sampler(v)},
    "CFG scale": _finite,
    "Seed": lambda v: {"seed": int(v)},
    "Size": _size,
    "Model": lambda v: {"model": v},
    "Clip skip": lambda v: {"clip_skip": int(v)},
}
