"""``task=watch``: an experiment is rendered again whenever one of its files is saved, and of it only what changed.

The files are few and known, so they are looked at twice a second. Notifications of the system do not arrive from shared
and mounted folders, and would need this comparison as well: a file may change between being read and being watched.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from sdbatch.config.experiment import Experiment
from sdbatch.config.folders import OWN_FOLDER, conf_dir
from sdbatch.config.hydra_source import Composed, compose
from sdbatch.errors import ConfigError
from sdbatch.pictures.read import SUFFIXES
from sdbatch.plan.named_files import named_files
from sdbatch.runner.signals import SignalHandler
from sdbatch.tasks import dispatch
from sdbatch.tasks.kept_renderer import KeptRenderer
from sdbatch.tasks.render import How, before_drawing, check_writable, here
from sdbatch.tasks.run_summary import finished
from sdbatch.tasks.workload import Workload, workload
from sdbatch.terminal.console import open_console, say
from sdbatch.terminal.progress import open_progress

PAUSE = 0.5  # seconds between looks at the files
SETTLED = 0.2  # seconds in which a file that has changed must stay as it is: editors write in several steps
COMMAND = "task=watch"
Look = dict[Path, tuple[int, ...]]


def run(_: Experiment) -> int:
    """Only reached without ``task=watch`` on the command line. Raises ConfigError."""
    raise ConfigError.one("task", "watch must be on the command line: it reads the files again", "add task=watch")


def follow(arguments: Sequence[str], execute: Callable[[Callable[[], int]], int]) -> int:
    """Render at every change until Ctrl-C. ``execute`` runs a function and reports its errors; the last exit code."""
    if not {"-m", "--multirun"}.isdisjoint(arguments):
        raise ConfigError.one("task", "watch follows one run", "leave out -m")
    own = [] if any(a.startswith("plan.earlier=") for a in arguments) else ["plan.earlier=false"]
    return _Watch([*arguments, *own], execute).follow()


class _Signals(SignalHandler):
    """``asked``: whether the user has interrupted; a change of a file ends a run as well."""

    asked = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        super()._handle(number, frame)


class _Watch:
    def __init__(self, arguments: list[str], execute: Callable[[Callable[[], int]], int]) -> None:
        self._arguments = arguments
        self._execute = execute
        self._kept = KeptRenderer()
        self._files = _configuration(arguments)
        self._before: Look = {}
        self._work: Workload | None = None
        self._signals = _Signals()

    def follow(self) -> int:
        """Render and wait, again and again; the exit code."""
        try:
            while True:
                self._signals, self._before = _Signals(), _look(self._files)
                code = self._execute(self._once)
                if code == 130:
                    return code
                say("watching its files: save one to render again, Ctrl-C ends", stderr=True)
                self._wait()
        except KeyboardInterrupt:
            return 0
        finally:
            self._kept.close()
            if self._work is not None and self._work.store.gallery.exists():
                self._work.site.finish()  # a page that nobody writes any more

    def _wait(self) -> None:
        """Sleep until a file has changed, and no longer changes."""
        before = self._before
        while (now := _look(self._files)) == before:
            time.sleep(PAUSE)
        while True:
            time.sleep(SETTLED)
            if (later := _look(self._files)) == now:
                break
            now = later
        changed = sorted(str(path) for path in before.keys() | now.keys() if before.get(path) != now.get(path))
        say(f"\n{', '.join(changed[:3])}{' …' if len(changed) > 3 else ''} changed", stderr=True)

    def _once(self) -> int:
        """Compose and render; the exit code. A change during it starts no new picture."""
        codes = compose(self._arguments, lambda read, _: self._execute(lambda: self._render(read())))
        return max(codes, default=0)

    def _render(self, composed: Composed) -> int:
        experiment = dispatch.checked(composed.data, composed.given, composed.hidden)
        if experiment.runtime.gpus is not None or experiment.runtime.processes is not None:
            raise ConfigError.one("runtime", "watch renders in this process", "leave out gpus and processes")
        self._files = _configuration(self._arguments) | _named(experiment)
        now = _look(self._files)  # what has been read may have changed since, or be gone
        self._before = now | {path: s for path, s in self._before.items() if path in now or not path.exists()}
        signals = self._signals  # the run puts them in place
        with _draining(signals, self._files, self._before):
            work = workload(experiment, before_drawing)
            check_writable(work.store.root)
            self._work = _unwatched(work)
            progress = open_progress(open_console(stderr=True), status=experiment.run_folder / "progress.json")
            outcome = here(work, progress, how=How(signals, opened=self._kept.open))
            if outcome.interrupted and not signals.asked:
                return 0  # a file has changed: what is left may not be wanted any more
            return finished(outcome, work.experiment, work.plan, open_console(), progress.elapsed)


def _unwatched(work: Workload) -> Workload:
    """The same work, whose page says that it is complete."""
    return replace(work, experiment=work.experiment.model_copy(update={"task": "render"}))


@contextmanager
def _draining(signals: SignalHandler, files: frozenset[Path], before: Look) -> Iterator[None]:
    """A block in which a change of ``files`` lets ``signals`` end the run, after the pictures in flight."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(PAUSE):
            if _look(files) != before:
                signals.draining = True

    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _configuration(arguments: Iterable[str]) -> frozenset[Path]:
    """Experiment files on the command line, and the folders of configuration files."""
    given = list(arguments)
    pairs = zip(given, [*given[1:], ""], strict=True)
    folders = [a.partition("=")[2] or b for a, b in pairs if a.partition("=")[0] == "--config-dir"]
    files = [a for a in given if a.endswith((".yaml", ".yml")) and "=" not in a]
    return frozenset(Path(name) for name in (*files, *folders, OWN_FOLDER, str(conf_dir())))


def _named(experiment: Experiment) -> frozenset[Path]:
    """The files that an experiment names, and the folder of its wildcards."""
    names = (*named_files(experiment), experiment.wildcards.folder)
    return frozenset(Path(name).expanduser() for name in names)


def _look(files: Iterable[Path]) -> Look:
    """What says of each file, and of all files in folders, whether it has changed. Missing ones are left out."""
    found: Look = {}
    for path in files:
        inside = [path]
        if path.is_dir():  # pictures only directly in it: results may lie below
            texts = (p for p in path.rglob("*") if p.suffix in (".yaml", ".txt"))
            inside = sorted([*texts, *(p for p in path.glob("*") if p.suffix.lower() in SUFFIXES)])
        for file in inside:
            try:
                state = file.stat()
            except OSError:
                continue
            found[file] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found
