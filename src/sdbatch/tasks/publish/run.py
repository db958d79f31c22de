"""``task=publish``: verifies the results, then writes publish/<name>/ and publish/<name>.zip."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sdbatch import files
from sdbatch.config.experiment import Experiment
from sdbatch.config.tasks import PublishSettings, VerifySettings
from sdbatch.errors import ConfigError, StoreError
from sdbatch.files import archive
from sdbatch.media.credentials import Signer
from sdbatch.plan.model_axis import located
from sdbatch.store import Store
from sdbatch.tasks import kept_plan, rerender
from sdbatch.tasks.publish import contents
from sdbatch.tasks.publish.contents import Published
from sdbatch.tasks.publish.layout import METADATA
from sdbatch.tasks.verify.report import show_verify
from sdbatch.tasks.verify.verify import Case, verify
from sdbatch.terminal.console import open_console, say
from sdbatch.terminal.progress import open_progress


def run(experiment: Experiment) -> int:
    """Publish the experiment, without prompts the plan that is stored in its folder.

    The exit code: 3, and nothing is written, if a file is not as recorded or a job rendered again differs; 1 if jobs
    are missing or could not be compared.
    """
    target = Path(experiment.publish.folder).expanduser() / experiment.name
    _check_target(target)
    contents.epoch()
    _check_signer(experiment.publish)
    found = _verified(experiment)
    if found.found.code == 3:
        show_verify(found.found, experiment.name, open_console(stderr=True))
        say("nothing was published: task=verify verify.repair=true repairs files", stderr=True)
        return 3
    files.make_folder(target.parent)
    digest = _write(found, target)
    say(f"{target}.zip: sha256 {digest}")
    if missing := len(found.plan) - found.found.recorded:
        say(f"  {missing:,} of {len(found.plan):,} jobs are not rendered", stderr=True)
    if not experiment.publish.authors:
        say("  publish.authors is empty: the citation says Anonymous", stderr=True)
    if not experiment.publish.licence:
        say("  publish.licence is empty: readers have no right to use the results", stderr=True)
    return max(found.found.code, 1 if missing else 0)


def _verified(experiment: Experiment) -> Published:
    """The results, checked and a sample of them rendered again. Raises ConfigError, StoreError, Interrupted."""
    store, console = Store(experiment.folder), open_console(stderr=True)
    plan = kept_plan.plan(experiment, store)
    sources = tuple(located(experiment)) if experiment.has_prompts else rerender.sources_of(plan, experiment)
    settings = VerifySettings(sample=experiment.publish.sample)
    checked = experiment.model_copy(update={"verify": settings})
    found = verify(Case(plan, range(len(plan)), store, sources, checked), lambda: open_progress(console))
    if not found.recorded:
        raise StoreError(f"{experiment.name} has no rendered pictures yet")
    return Published(experiment, plan, store, rerender.with_adapters(sources, plan, experiment, plan), found)


def _check_target(target: Path) -> None:
    """Raises ConfigError if ``target`` or its ZIP is something else than an earlier research object."""
    packed = _zip(target)
    ours = {target: (target / METADATA).is_file(), packed: packed.is_file() and _is_crate(packed)}
    for path, written in ours.items():
        if path.exists() and not written:
            raise ConfigError.one("publish.folder", f"{str(path)!r} exists, and task=publish has not written it")


def _zip(target: Path) -> Path:
    return target.with_name(f"{target.name}.zip")


def _is_crate(packed: Path) -> bool:
    try:
        with archive.opened(packed) as container:
            return METADATA in container.sizes
    except ValueError:
        return False


def _check_signer(settings: PublishSettings) -> None:
    """Raises ConfigError if results cannot be signed as configured."""
    if settings.sign is None:
        return
    if settings.pictures != "all":
        raise ConfigError.one("publish.sign", "needs the pictures themselves", "set publish.pictures=all")
    Signer(Path(settings.sign).expanduser())


def _write(published: Published, target: Path) -> str:
    """Write folder and ZIP beside their places, then move them there; the ZIP's SHA-256. Raises StoreError."""
    packed = _zip(target)
    with files.store_errors(target), tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as part:
        root, archived = Path(part) / target.name, Path(part) / packed.name
        root.mkdir()
        parts = contents.write(published, root)
        digest = archive.write_zip(archived, [(p.name, root / p.name) for p in parts])
        if target.exists():
            shutil.move(target, Path(part) / "before")
        root.replace(target)
        archived.replace(packed)
    return digest
