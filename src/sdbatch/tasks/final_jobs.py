"""The jobs of ``task=final``: selected jobs of a draft with other settings. Each record has its draft's id (origin).

The jobs are read from the plans stored in the draft's folder, so the experiment's YAML may have changed since.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sdbatch import motion
from sdbatch.config.keys import SECTIONS
from sdbatch.config.pictures import InitSettings
from sdbatch.config.tasks import FinalSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError, Problem, Problems, nearest, shown
from sdbatch.files.home import expanded
from sdbatch.models.source import Source
from sdbatch.models.upscalers import Upscalers
from sdbatch.motion.settings import Motion
from sdbatch.motion.wording import has_step_syntax
from sdbatch.plan import control_axis, inits, naming, passes, sounds
from sdbatch.samplers import SAMPLERS, table
from sdbatch.spec.canonical import spec
from sdbatch.spec.canvas import Size
from sdbatch.spec.canvas import parse as parse_canvas
from sdbatch.spec.jobs import Job
from sdbatch.spec.limits import FLAT
from sdbatch.spec.passes import Pass
from sdbatch.spec.pictures import Init
from sdbatch.spec.ranges import slug
from sdbatch.store import Store
from sdbatch.tasks import kept_plan

OF_INIT = ("init.strength", "init.resize")
KEYS = ("negative", "canvas", *OF_INIT, *(f"{s}.{k}" for s, m in SECTIONS.items() for k in m.model_fields))
LIST_LIMIT = 16 * 2**20  # bytes of a text file with ids
_ID = re.compile(r"(?<![0-9A-Za-z])j[0-9a-f]{16}(?![0-9A-Za-z])")


def _meant(key: str) -> str:
    """A hint: the first key with this last part, else the nearest one."""
    full = next((known for known in KEYS if known.endswith(f".{key}")), "")
    return f"did you mean {full!r}?" if full else nearest(key, KEYS)


def final_jobs(
    settings: FinalSettings,
    draft: Store,
    sources: Sequence[Source],
    upscalers: Upscalers,
    names: str | None = None,
) -> list[Job]:
    """The selected jobs with the new settings, without duplicates; ``names`` is the template of their file names.

    Raises ConfigError with every mistake.
    """
    wanted, problems = chosen(settings.jobs)
    template, wrong = naming.template(names)
    problems += wrong
    changes = settings.set or {}
    problems += [Problem(f"final.set.{k}", "cannot be changed", _meant(k)) for k in changes if k not in KEYS]
    known = kept_plan.ids(draft)
    problems += [_unknown(i, known, draft) for i in wanted if i not in set(known)]
    found = {job.id: job for path in kept_plan.plan_files(draft) for job in kept_plan.jobs(path, set(wanted))}
    lost = [i for i in wanted if i in set(known) and i not in found]
    problems += [Problem("final.jobs", f"{i} cannot be read from the plans in {draft.root}") for i in lost]
    made: dict[str, Job] = {}
    for i in wanted:
        if i in found:
            with problems:
                job = changed(found[i], changes, _weights(found[i], sources), upscalers)
                made.setdefault(job.id, job)
    if not problems and made.keys() <= set(wanted):
        problems.append(Problem("final.set", "does not change these jobs", "for example {sampling.steps: 50}"))
    problems.report()
    spread = (replace(job, spread=len(made) > FLAT) for job in made.values())
    return [job if template is None else template.named(job) for job in spread]


def _weights(job: Job, sources: Sequence[Source]) -> Source:
    """The weights to render with: those configured, of several those of the job. Raises ConfigError."""
    if (own := next((s for s in sources if s.model == job.shot.model), None)) is not None or len(sources) == 1:
        return own or sources[0]
    raise ConfigError.one("models", f"none of them are the weights of {job.id}, {job.shot.model.weights}")


def chosen(entries: Iterable[str]) -> tuple[list[str], Problems]:
    """(ids, problems) of ``entries``: ids, file names that contain one, or text files with ids. No duplicates."""
    out: list[str] = []
    problems = Problems()
    for entry in entries:
        with problems:
            out += _ID.findall(entry) or _ids_in(entry)
    if not out and not problems:
        problems.append(Problem("final.jobs", "is empty", "give ids, file names, or a text file with ids"))
    return list(dict.fromkeys(out)), problems


def _ids_in(entry: str) -> list[str]:
    path = expanded(entry, "final.jobs")
    try:
        if path.stat().st_size > LIST_LIMIT:
            raise ConfigError.one("final.jobs", f"{entry!r} is larger than {LIST_LIMIT // 2**20} MiB")
        found = _ID.findall(path.read_text("utf-8", "replace"))
    except (OSError, ValueError):
        raise ConfigError.one("final.jobs", f"{shown(entry)} is neither an id nor a readable file") from None
    if not found:
        raise ConfigError.one("final.jobs", f"{shown(entry)} contains no id", "ids look like j0123456789abcdef")
    return found


def _unknown(job_id: str, known: list[str], draft: Store) -> Problem:
    hint = nearest(job_id, known) if len(known) <= 10_000 else ""
    return Problem(
        "final.jobs", f"{job_id} is not a job of {draft.root}", hint or f"the folder has {len(known):,} jobs"
    )


def changed(job: Job, changes: dict[str, Any], source: Source, upscalers: Upscalers) -> Job:
    """``job`` with ``changes`` (dotted keys) and the weights of ``source``; its origin is the id of ``job``.

    Raises ConfigError.
    """
    at = "final.set"
    parts = {s: _section(s, job, changes, at) for s in SECTIONS}
    sampling = {k: getattr(parts["sampling"], k) for k in type(parts["sampling"]).model_fields}
    negative = changes.get("negative", job.shot.negative)
    if not isinstance(negative, str):
        raise ConfigError.one(f"{at}.negative", f"{shown(negative)} is not text", "quote it")
    steps = job.shot.step_syntax
    if {"negative", "motion.phrase", "motion.prompts"} & changes.keys():
        steps = steps or has_step_syntax(job.shot.prompt, negative, parts["motion"])
    model = replace(source.model, loras=job.shot.model.loras)
    init = _init(job, changes, at)
    shot = replace(job.shot, model=model, negative=negative, step_syntax=steps, init=init, **sampling)
    try:
        if "canvas" in changes:
            size = parse_canvas(changes["canvas"], source.native, source.model.scale)
            shot = replace(shot, width=size.width, height=size.height)
    except ValueError as e:
        raise ConfigError.one(f"{at}.canvas", str(e)) from e
    try:
        table(SAMPLERS[shot.sampler], shot.model.schedule, shot.steps)
    except ValueError as e:
        raise ConfigError.one(f"{at}.sampling.steps", f"{e} for sampler {shot.sampler}") from e
    own = job.video.encoding.audio if job.video else None
    encoding = sounds.heard(parts["encoding"].encoding(), f"{at}.{sounds.KEY}", own)
    name = job.slug or slug(dict(job.labels).get("prompts", ""))
    found = _passes(job, parts, changes, upscalers)
    problems = passes.too_large(Size(shot.width, shot.height), found, f"{at}.hires.scale")
    padding = init.mask.area.padding if init and init.mask and init.mask.area else None
    problems += [replace(p, key=f"{at}.{p.key}") for p in inits.second_pass(init, padding, found)]
    problems += control_axis.misfits(shot.controls, parts["motion"], init, found)
    if problems := problems + passes.misfits(found, shot.sampler, shot.model.schedule):
        raise ConfigError(problems)
    made = motion.make(shot, sounds.on_beat(parts["motion"], encoding.audio), encoding, name, job.labels, found)
    return replace(made, origin=job.id if made.id != job.id else "")


def _init(job: Job, changes: dict[str, Any], at: str) -> Init | None:
    """What ``job`` starts from, with ``changes``. Raises ConfigError."""
    new = {k.partition(".")[2]: v for k, v in changes.items() if k in OF_INIT}
    if job.shot.init is None and new:
        raise ConfigError.one(f"{at}.init.{next(iter(new))}", f"has no effect: {job.id} starts from no picture")
    if job.shot.init is None:
        return None
    own = {"strength": job.shot.init.strength, "resize": job.shot.init.resize}
    found = check(InitSettings, own | new, f"{at}.init")
    if "canvas" in changes and job.shot.init.mask and job.shot.init.mask.area:
        raise ConfigError.one(f"{at}.canvas", f"cannot be changed: only a part of {job.id} is rendered (mask.padding)")
    return replace(job.shot.init, strength=found.strength, resize=found.resize)


def _passes(job: Job, parts: dict[str, Any], changes: dict[str, Any], upscalers: Upscalers) -> tuple[Pass, ...]:
    """The passes of ``job``, or those with changed settings. Upscalers that stay are those of the draft."""
    if not any(key.startswith((f"{passes.HIRES}.", f"{passes.UPSCALE}.")) for key in changes):
        return job.passes
    kept = {str(each.upscaler): each.upscaler for each in job.passes}
    return passes.passes((parts["hires"], parts["upscale"]), upscalers, "final.set.", kept)


def _section(section: str, job: Job, changes: dict[str, Any], at: str) -> Any:
    """The values of ``section`` in ``job`` with ``changes``, validated as in an experiment. Raises ConfigError."""
    new = {k.partition(".")[2]: v for k, v in changes.items() if k.startswith(f"{section}.")}
    if section == "sampling":
        values = {k: getattr(job.shot, k) for k in SECTIONS[section].model_fields}
    elif section == "motion":
        values = (job.video.motion if job.video else Motion()).model_dump(mode="json", exclude_defaults=True)
        if new.keys() & {"frames", "seconds"}:
            values = {k: v for k, v in values.items() if k not in ("frames", "seconds")}
    elif section in (passes.HIRES, passes.UPSCALE):
        values = passes.sections(job.passes).get(section, {})
    else:
        values = spec(job.video.encoding) if job.video else {}
    return check(SECTIONS[section], values | new, f"{at}.{section}")
