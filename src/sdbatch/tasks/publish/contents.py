"""Writes the files of a research object into an empty folder."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.errors import ConfigError, StoreError, shown
from sdbatch.files import archive, store_errors
from sdbatch.gallery import Site
from sdbatch.media import pdf
from sdbatch.media.credentials import FORMATS, Signer
from sdbatch.models.provenance import Provenance, file_of, of_adapter, provenance
from sdbatch.models.source import Source
from sdbatch.plan.model_axis import by_key
from sdbatch.plan.plan import Plan
from sdbatch.spec import given_files
from sdbatch.spec.adapters import Embedding, Lora
from sdbatch.spec.control import Control
from sdbatch.spec.file_names import companions
from sdbatch.spec.jobs import Job
from sdbatch.store import Record, Store, plan_file
from sdbatch.tasks import sheet
from sdbatch.tasks.publish import documents, environment, layout, metadata
from sdbatch.tasks.publish.experiment import Inputs, as_resolved, as_written
from sdbatch.tasks.publish.facts import Axes, Facts, Part, Result
from sdbatch.tasks.rerender import JobList
from sdbatch.tasks.verify.findings import Verified


@dataclass(frozen=True, slots=True)
class Published:
    """What is published: an experiment's results in ``store``, verified as ``found`` says.

    ``sources`` have the files of its LoRAs and textual inversions.
    """

    experiment: Experiment
    plan: Plan | JobList
    store: Store
    sources: Sequence[Source]
    found: Verified


def write(published: Published, root: Path) -> list[Part]:
    """Write the whole crate into ``root``; its files, sorted. Raises StoreError."""
    with store_errors(root):
        facts = _results(published, root)
        _experiment(published, facts, root)
        _figure(published, facts, root)
        if facts.settings.sign is not None:
            _sign(Signer(Path(facts.settings.sign).expanduser()), facts, root)
        if facts.settings.pictures == "all":
            _gallery(published, root)
        _put(root, layout.CITATION, documents.citation(facts))
        parts = _parts(root, facts)
        readme = documents.readme(facts, [Part(layout.README, 0, ""), *parts])
        _put(root, layout.README, readme)
        parts = sorted([*parts, _part(root, layout.README)], key=lambda part: part.name)
        _put(root, layout.METADATA, metadata.document(facts, parts))
        parts = sorted([*parts, _part(root, layout.METADATA)], key=lambda part: part.name)
        _put(root, layout.SUMS, sums(parts))
        return [*parts, _part(root, layout.SUMS)]


def sums(parts: list[Part]) -> str:
    """SHA256SUMS, in the format of sha256sum."""
    return "".join(f"{part.sha256}  {part.name}\n" for part in parts)


def _results(published: Published, root: Path) -> Facts:
    """Write plan, records, profiles, digests, weights and pictures."""
    store, plan, settings = published.store, published.plan, published.experiment.publish
    shown = settings.pictures == "all"
    ledger, axes, results, newest = store.ledger(), Axes(), list[Result](), 0.0
    profiles: dict[str, None] = {}
    adapters: dict[Lora | Embedding | Control, None] = {}
    with (root / layout.PLAN).open("wb") as planned, (root / layout.MANIFEST).open("wb") as manifest:
        planned.writelines(plan_file.lines(plan))
        for i, job_id in enumerate(plan.ids):
            axes.add([job := plan[i]])
            adapters |= dict.fromkeys((*job.shot.model.loras, *job.shot.embeddings, *job.shot.controls))
            _sound(store, job, root)
            if (record := ledger.get(job_id)) is None:
                continue
            manifest.write(record.line())
            if record.done:
                newest = max(newest, store.file(record).stat().st_mtime)
                results.append(_result(store, record, root if shown else None))
                if shown:
                    _given(store, job, root)
                profiles[record.profile] = None
    facts = Facts(
        name=published.experiment.name,
        date=settings.date or _day(newest),
        settings=settings,
        jobs=len(plan),
        results=results,
        axes=axes,
        profiles={digest: store.profile(digest) for digest in sorted(profiles)},
        weights=_weights(published.sources, adapters),
        verified=published.found.asdict()["counts"],
        again=isinstance(plan, Plan),
    )
    _put(root, layout.DIGESTS, _csv(results))
    _put(root, layout.WEIGHTS, _json([asdict(w) for w in facts.weights]))
    for digest, profile in facts.profiles.items():
        if profile is not None:
            _put(root, f"{layout.PROFILES}/{digest}.json", store.profile_path(digest).read_bytes())
    return facts


def _weights(sources: Sequence[Source], adapters: Iterable[Lora | Embedding | Control]) -> tuple[Provenance, ...]:
    """Those of the models, then what is merged into them and what stands in texts; each once, whatever its strength."""
    models = [w for source in sources for w in provenance(source)]
    files = sources[0].adapters if sources else {}
    return tuple(dict.fromkeys([*models, *(of_adapter(one, files[file_of(one)]) for one in adapters)]))


def _sound(store: Store, job: Job, root: Path) -> None:
    """Copy the sound of a video, which rendering it again needs."""
    if job.video is None or (audio := job.video.encoding.audio) is None:
        return
    kept, to = store.sound(audio), Store(root).sound(audio)
    if kept.is_file() and not to.exists():
        to.parent.mkdir(exist_ok=True)
        shutil.copyfile(kept, to)


def _given(store: Store, job: Job, root: Path) -> None:
    """Copy what a picture was made from, which the page shows beside it."""
    for given in given_files.of(job):
        if (store.root / given.path).is_file() and not (root / given.path).exists():
            _copy(store.root, given.path, root)


def _copy(folder: Path, name: Path, root: Path) -> None:
    to = root / name
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / name, to)


def _result(store: Store, record: Record, root: Path | None) -> Result:
    """A picture or video with its digest; with ``root`` copied there, with what lies beside it."""
    path = store.file(record)
    if root:
        for each in (path, *companions(path)):
            _copy(store.root, each.relative_to(store.root), root)
    size, sha256 = archive.listed(root / record.path if root else path)
    return Result(record.id, record.path, size, sha256, record.file, record.pixels, record.profile)


def _experiment(published: Published, facts: Facts, root: Path) -> None:
    """Write the experiment and what it reads, the environment, the report of verify."""
    experiment = published.experiment
    if isinstance(published.plan, Plan):
        inputs = Inputs(experiment)
        for name, path in inputs.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, root / name)  # videos may be large
        seeds = published.plan.resolved.experiment.seeds
        profile = next(iter(facts.profiles.values()), None)
        _put(root, layout.EXPERIMENT, as_resolved(experiment, seeds, profile, inputs))
        for name, data in as_written(experiment):
            _put(root, name, data)
    _put(root, layout.ENVIRONMENT, environment.requirements())
    _put(root, layout.REPORT, _json({"name": experiment.name} | published.found.asdict()))


def _figure(published: Published, facts: Facts, root: Path) -> None:
    text = documents.caption(facts)
    pixels = sheet.make(published.plan, published.store, published.experiment.sheet, facts.name)
    _put(root, layout.FIGURE, pdf.figure(pixels, facts.title, text))
    _put(root, layout.CAPTION, text + "\n")


def _sign(signer: Signer, facts: Facts, root: Path) -> None:
    """Write signed copies of the results, as far as their formats can hold a signature."""
    for result in facts.results:
        source, to = root / result.path, root / layout.SIGNED / result.path
        if source.suffix in FORMATS:
            to.parent.mkdir(parents=True, exist_ok=True)
            try:
                signer.sign(source, to)
            except ValueError as e:
                raise StoreError(f"{result.path}: {e}") from e


def _gallery(published: Published, root: Path) -> None:
    """The page, for the records of the crate alone."""
    store, plan = Store(root, durable=False), published.plan
    if isinstance(plan, Plan):
        models = {key: m.model_copy(update={"path": None, "vae": None}) for key, m in by_key(plan.models).items()}
        Site(plan, store, models, plan.axes).finish()
    else:
        Site(plan, store, {}).finish()


def _parts(root: Path, facts: Facts) -> list[Part]:
    """The files in ``root``. Results were digested when they were copied."""
    known = {r.path: Part(r.path, r.size, r.sha256) for r in facts.results}
    names = (Path(folder, name).relative_to(root).as_posix() for folder, _, found in os.walk(root) for name in found)
    return sorted((known.get(name) or _part(root, name) for name in names), key=lambda part: part.name)


def _part(root: Path, name: str) -> Part:
    return Part(name, *archive.listed(root / name))


def _csv(results: list[Result]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(layout.COLUMNS)
    writer.writerows([getattr(result, column) for column in layout.COLUMNS] for result in results)
    return out.getvalue()


def _day(newest: float) -> str:
    """SOURCE_DATE_EPOCH, or the day of the newest picture, in UTC."""
    given = epoch()
    return (datetime.fromtimestamp(newest, UTC) if given is None else given).date().isoformat()


def epoch() -> datetime | None:
    """SOURCE_DATE_EPOCH, which the PDF writer reads as well; None if it is not set. Raises ConfigError."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    try:
        return datetime.fromtimestamp(int(given), UTC) if given else None
    except (ValueError, OverflowError, OSError) as e:
        text = f"{shown(given)} is not a number of seconds since 1970"
        raise ConfigError.one("SOURCE_DATE_EPOCH", text, "correct or unset this environment variable") from e


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _put(root: Path, name: str, data: bytes | str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "replace"))
