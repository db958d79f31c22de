"""The settings that axes select besides prompt, canvas and seed: model, negative, LoRAs, and the sections.

Every combination of keys that depend on each other is validated here, before any job is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdbatch import motion
from sdbatch.config.fields import CANVAS_OF_INIT
from sdbatch.config.film_length import UNKNOWN_LENGTH
from sdbatch.config.keys import SECTIONS, STYLES, TOP
from sdbatch.config.model import ModelSettings
from sdbatch.errors import ConfigError, Problem
from sdbatch.models.source import Source
from sdbatch.motion.deforum import Formula
from sdbatch.motion.fields import dumped
from sdbatch.motion.schedule import Key
from sdbatch.motion.settings import Motion
from sdbatch.motion.waves import Wave
from sdbatch.plan import areas, clips, control_axis, inits, passes, sounds
from sdbatch.plan.axes import Axis
from sdbatch.plan.combinations import Combinations
from sdbatch.plan.control_axis import ControlChoice, active
from sdbatch.plan.lora_axis import LoraChoice
from sdbatch.plan.model_axis import changed
from sdbatch.plan.resolve import Resolved
from sdbatch.plan.styles import Styles
from sdbatch.samplers import SAMPLERS, NoiseSchedule, table
from sdbatch.spec.canvas import Size, parse
from sdbatch.spec.jobs import Encoding
from sdbatch.spec.passes import Pass
from sdbatch.spec.pictures import Clip, Init


@dataclass(frozen=True, slots=True)
class Setting:
    """The settings at one position of the sweep's axes."""

    source: Source
    model: ModelSettings
    negative: str
    sampling: dict[str, Any]
    motion: Motion
    encoding: Encoding
    styles: Styles  # swept ones; others are applied before
    loras: LoraChoice
    lora_weight: float  # of all LoRAs
    controls: ControlChoice = ()
    init: Init | None = None
    passes: tuple[Pass, ...] = ()
    padding: int | None = None  # around its mask

    def started(self, size: Size) -> Init | None:
        """What a shot of ``size`` starts from. Raises ConfigError for a mask that does not fit."""
        native = areas.Native(self.source.native, self.source.model.scale)
        return None if self.init is None else areas.placed(self.init, size, self.padding, native)


def affects_setting(axis: Axis) -> bool:
    """Whether a Setting depends on ``axis``."""
    return any("." in key or key in ("models", *TOP) for key in axis.keys)


def affects_model(axis: Axis) -> bool:
    """Whether the model depends on ``axis``."""
    return any(key == "models" or key.startswith("model.") for key in axis.keys)


def make(resolved: Resolved, axes: Sequence[Axis], digits: Sequence[int]) -> Setting:
    """The setting at positions ``digits`` of ``axes``. Raises ConfigError for an invalid combination of motion keys."""
    swept, experiment = _swept(axes, digits), resolved.experiment
    model = _model(experiment.model, swept)
    sections = {s: _section(getattr(experiment, s), s, swept) for s in SECTIONS if s != "motion"}
    encoding = sections["encoding"].encoding()
    sampling = {k: getattr(sections["sampling"], k) for k in type(sections["sampling"]).model_fields}
    negative = swept.get("negative", experiment.negative)
    loras, weight = swept.get("loras", resolved.loras[0]), swept.get("lora_weight", experiment.lora_weight)
    start = {k: v for k, v in swept.items() if k not in inits.FILES}
    mask = _section(experiment.mask, "mask", start)
    picture = swept.get(inits.VIDEO) or swept.get(inits.KEY, resolved.inits[0])
    named = picture, swept.get(inits.MASK, resolved.mask)
    init = inits.value(_section(experiment.init, "init", start), mask, *named)
    later = passes.passes((sections["hires"], sections["upscale"]), resolved.upscalers)
    controls = active(swept.get("control", resolved.controls[0]))
    moved = sounds.on_beat(_motion(experiment.motion, swept, clips.of(init, controls)), encoding.audio)
    more: dict[str, Any] = {"controls": controls, "init": init, "padding": mask.padding, "passes": later}
    more |= {"styles": swept.get(STYLES, Styles()), "loras": loras, "lora_weight": weight}
    return Setting(resolved.locate(model), model, negative, sampling, moved, encoding, **more)


def _swept(axes: Sequence[Axis], digits: Sequence[int]) -> dict[str, Any]:
    """The values at positions ``digits`` by key."""
    return {k: v for a, d in zip(axes, digits, strict=True) for k, v in zip(a.keys, a.values[d], strict=True)}


def problems(resolved: Resolved, kept: Combinations) -> list[Problem]:
    """Models that do not exist, invalid combinations of motion keys, of passes, and of samplers and steps."""
    found = _models(resolved, kept) or _inits(resolved, kept) or _passes(resolved, kept)
    return found or _motions(resolved, kept) or _controls(resolved, kept) or _samplers(resolved, kept)


def size_of(canvas: tuple[str, Size], values: Setting, first: Source) -> Size:
    """The size of a canvas for the picture and the native area of ``values``; it was parsed for that of ``first``."""
    if canvas[0] == CANVAS_OF_INIT:
        return inits.size(values.init)
    source = values.source
    same = (source.native, source.model.scale) == (first.native, first.model.scale)
    return canvas[1] if same else parse(canvas[0], source.native, source.model.scale)


def _inits(resolved: Resolved, kept: Combinations) -> list[Problem]:
    """Settings of pictures that have no effect, canvases without a picture, and masks that do not fit."""
    experiment, keys = resolved.experiment, {key for axis in kept.axes for key in axis.keys}
    pictures = {*kept.values(inits.KEY), *kept.values(inits.VIDEO)} or resolved.inits
    if wrong := inits.problems(experiment.init, experiment.mask, keys, pictures):
        return wrong
    canvases = {name for name, _ in kept.values("canvas")}
    if not any(pictures) and CANVAS_OF_INIT not in canvases:
        return []
    problems: dict[str, Problem] = {}
    for digits in kept.of("init.", "mask.", "canvas", "models", "model."):
        try:
            setting = make(resolved, kept.axes, digits)
            setting.started(size_of(_swept(kept.axes, digits)["canvas"], setting, resolved.source))
        except ConfigError as e:
            problems |= {str(p): p for p in e.problems}
    return list(problems.values()) or _masks(resolved, kept)


def _masks(resolved: Resolved, kept: Combinations) -> list[Problem]:
    """Masks without effect, or with a second pass."""
    made = (make(resolved, kept.axes, digits) for digits in kept.of("init.", "mask.", "hires.", "upscale."))
    return inits.masked((setting.init, setting.padding, setting.passes) for setting in made)


def _model(base: ModelSettings, swept: dict[str, Any]) -> ModelSettings:
    """The model with its swept values."""
    update = {k.split(".")[1]: v for k, v in swept.items() if k.startswith("model.")}
    return changed(swept["models"].settings if "models" in swept else base, update)


def _models(resolved: Resolved, kept: Combinations) -> list[Problem]:
    """Models that cannot be found. All of a plan have the same renderer."""
    problems: dict[str, Problem] = {}
    renderers: dict[str, str] = {}
    for digits in kept.of("models", "model."):
        try:
            source = resolved.locate(_model(resolved.experiment.model, _swept(kept.axes, digits)))
            renderers.setdefault(source.renderer, source.kind)
        except ConfigError as e:
            problems |= {str(p): p for p in e.problems}
    if len(renderers) > 1:
        text = f"{' and '.join(renderers.values())} have different renderers"
        problems["renderer"] = Problem("models", text, "render them in experiments of their own")
    return list(problems.values()) or resolved.adapters.misfits(resolved.locate.found)


def _passes(resolved: Resolved, kept: Combinations) -> list[Problem]:
    """Upscalers that cannot be found, keys without effect, and pictures that would be too large."""
    experiment, problems = resolved.experiment, dict[str, Problem]()
    settings: list[passes.Settings] = []
    sizes = {size for _, size in kept.values("canvas")}
    for digits in kept.of("hires.", "upscale."):
        swept = _swept(kept.axes, digits)
        each = (_section(experiment.hires, "hires", swept), _section(experiment.upscale, "upscale", swept))
        settings.append(each)
        try:
            later = passes.passes(each, resolved.upscalers)
            wrong = [p for size in sizes for p in passes.too_large(size, later, _key_of(later))]
        except ConfigError as e:
            wrong = list(e.problems)
        problems |= {str(p): p for p in wrong}
    return list(problems.values()) or passes.without_effect(settings)


def _key_of(later: Sequence[Pass]) -> str:
    """The key that makes pictures large."""
    return "hires.scale" if later and later[-1].strength else "upscale.scale"


def _section(base: Any, section: str, swept: dict[str, Any]) -> Any:
    """The section with its swept values, which were validated by ``axes``."""
    update = _of_section(section, swept)
    return base.model_copy(update=update) if update else base


def _motion(base: Motion, swept: dict[str, Any], clip: Clip | None) -> Motion:
    """The motion with its swept values, which depend on each other, and the length of a video that it follows."""
    update = {key: _plain(value) for key, value in _of_section("motion", swept).items()}
    return clips.followed(base, update, clip) if update or clip or base.frames == UNKNOWN_LENGTH else base


def _of_section(section: str, swept: dict[str, Any]) -> dict[str, Any]:
    return {k.split(".")[1]: v for k, v in swept.items() if k.startswith(section + ".")}


def _plain(value: Any) -> Any:
    if isinstance(value, Wave | Formula):
        return dumped(value)
    if isinstance(value, tuple):
        return [[k.time, k.value, k.ease] if isinstance(k, Key) else k for k in value]
    return value if value is None or isinstance(value, int | float | str | list | dict | bool) else str(value)


def _motions(resolved: Resolved, kept: Combinations) -> list[Problem]:
    problems: dict[str, Problem] = {}
    valid: list[Motion] = []
    for digits in kept.of("motion.", "encoding.audio", "encoding.codec", "control", inits.VIDEO):
        try:
            setting = make(resolved, kept.axes, digits)
            valid.append(setting.motion)
            wrong: Sequence[Problem] = sounds.silent(setting.encoding) if setting.motion.mode != "still" else ()
            wrong = [*wrong, *clips.misfits(setting.motion.mode, setting.init, setting.controls)]
        except ConfigError as e:
            wrong = e.problems
        problems |= {str(p): p for p in wrong}
    return list(problems.values()) or _unused(valid)


def _controls(resolved: Resolved, kept: Combinations) -> list[Problem]:
    """ControlNets for the picture that shots start from, where they start from none."""
    if not any(control_axis.of_start(c) for c in (resolved.controls[0], *kept.values(control_axis.KEY))):
        return []
    made = (make(resolved, kept.axes, digits) for digits in kept.of("motion.", "control", "init.", "hires."))
    return control_axis.unseen((s.controls, s.motion, s.init, s.passes) for s in made)


def _unused(motions: list[Motion]) -> list[Problem]:
    """Keys that are set but that none of the selected modes uses."""
    videos = [m for m in motions if m.mode != "still"]
    if not videos:
        return []
    always = {"mode", "seconds", "frames", "fps"}
    used = always.union(*(motion.MODES[m.mode].uses for m in videos))
    modes = ", ".join(sorted({m.mode for m in videos}))
    extra = sorted({k for m in videos for k in m.model_dump(exclude_defaults=True)} - used)
    return [
        Problem(f"motion.{k}", f"is not used by mode {modes}", f"used are {', '.join(sorted(used))}") for k in extra
    ]


def _samplers(resolved: Resolved, kept: Combinations) -> list[Problem]:
    """Samplers limit the steps (lcm: 50), so the fewest and the most steps of each sampler are validated."""
    steps: dict[tuple[NoiseSchedule, str], set[int]] = {}
    problems: dict[str, Problem] = {}
    for digits in kept.of("sampling.sampler", "sampling.steps", "models", "model.", "hires."):
        setting = make(resolved, kept.axes, digits)
        wrong = passes.misfits(setting.passes, setting.sampling["sampler"], setting.source.model.schedule)
        problems |= {str(p): p for p in wrong}
        how = (setting.source.model.schedule, setting.sampling["sampler"])
        steps.setdefault(how, set()).add(setting.sampling["steps"])
    for (schedule, name), counts in steps.items():
        for count in sorted({min(counts), max(counts)}):
            try:
                table(SAMPLERS[name], schedule, count)
            except ValueError as e:
                problem = Problem("sampling.steps", f"{str(e).removeprefix('steps: ')} for sampler {name}")
                problems[str(problem)] = problem
    return list(problems.values())
