"""The passes after the first that an experiment asks for: its sections ``hires`` and ``upscale`` as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sdbatch.config.passes import HiresSettings, UpscaleSettings
from sdbatch.errors import Problem
from sdbatch.models.upscalers import Upscalers
from sdbatch.samplers import SAMPLERS, NoiseSchedule, table
from sdbatch.spec.canvas import SIDE, Size
from sdbatch.spec.passes import Pass, Upscaler

HIRES, UPSCALE = "hires", "upscale"
Settings = tuple[HiresSettings, UpscaleSettings]


def passes(
    settings: Settings, upscalers: Upscalers, prefix: str = "", known: Mapping[str, Upscaler] = MappingProxyType({})
) -> tuple[Pass, ...]:
    """The passes of ``settings``; a scale of 1 is none. ``known``: upscalers by name, which are not looked for.

    Raises ConfigError with keys after ``prefix``.
    """
    hires, upscale = settings
    out: list[Pass] = []
    if hires.scale > 1:
        found = known.get(hires.upscaler) or upscalers.find(hires.upscaler, f"{prefix}{HIRES}.upscaler")
        out.append(Pass(hires.scale, hires.strength, hires.steps or 0, found))
    if upscale.scale > 1:
        found = known.get(upscale.model) or upscalers.find(upscale.model, f"{prefix}{UPSCALE}.model", latent=False)
        out.append(Pass(upscale.scale, upscaler=found))
    return tuple(out)


def sections(found: Iterable[Pass]) -> dict[str, dict[str, Any]]:
    """The inverse: the keys of ``hires`` and ``upscale`` that give the passes, by section; upscalers by name."""
    out: dict[str, dict[str, Any]] = {}
    for each in found:
        if each.strength:
            steps = {"steps": each.steps} if each.steps else {}
            out[HIRES] = {"scale": each.scale, "strength": each.strength, **steps, "upscaler": str(each.upscaler)}
        else:
            out[UPSCALE] = {"scale": each.scale, "model": str(each.upscaler)}
    return out


def value(found: Iterable[Pass], key: str) -> Any:
    """The value of a key such as ``hires.scale``."""
    section, _, name = key.partition(".")
    usual = {HIRES: HiresSettings(), UPSCALE: UpscaleSettings()}[section]
    return sections(found).get(section, {}).get(name, getattr(usual, name))


def without_effect(settings: Iterable[Settings]) -> list[Problem]:
    """Keys that are set although no job of a plan has the pass."""
    out: list[Problem] = []
    for section, each in zip((HIRES, UPSCALE), zip(*settings, strict=True), strict=True):
        given = dict.fromkeys(key for one in each for key in one.model_dump(exclude_defaults=True) if key != "scale")
        if not any(one.scale > 1 for one in each):
            hint = f"set {section}.scale, for example 2"
            out += [Problem(f"{section}.{key}", f"has no effect, because {section}.scale is 1", hint) for key in given]
    return out


def too_large(size: Size, found: Iterable[Pass], key: str) -> list[Problem]:
    """The mistake of a picture that passes make larger than pictures can be."""
    width, height = size.width, size.height
    for each in found:
        width, height = each.enlarged(width), each.enlarged(height)
    if width in SIDE and height in SIDE:
        return []
    text = f"{size.width}x{size.height} would become {width}x{height}"
    return [Problem(key, text, f"sides are {SIDE.start}–{SIDE.stop - 1} pixels")]


def misfits(found: Iterable[Pass], sampler: str, schedule: NoiseSchedule) -> list[Problem]:
    """Passes whose schedule the sampler does not support."""
    for each in found:
        if each.strength and each.steps:
            try:
                table(SAMPLERS[sampler], schedule, each.schedule(0))
            except ValueError as e:
                whole = f"{each.steps} steps of strength {each.strength:g} need a schedule of {each.schedule(0)}"
                text = f"{whole}: {str(e).removeprefix('steps: ')} for sampler {sampler}"
                return [Problem("hires.steps", text, "fewer steps, or more strength")]
    return []
