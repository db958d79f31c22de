"""The run: what is not done yet goes through the loop, and in the end all is in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from sdbatch import motion
from sdbatch.runner.context import Books, Scene
from sdbatch.runner.loop import Loop
from sdbatch.runner.observer import Observer
from sdbatch.runner.outputs import Output
from sdbatch.runner.shot_cache import Shelf
from sdbatch.runner.signals import Gate
from sdbatch.runner.work import Work
from sdbatch.runner.writers import Writers
from sdbatch.spec.renderer import Profile, Renderer
from sdbatch.store import Ledger, Record, State, Store
from sdbatch.store.plan_file import Plan, is_kept
from sdbatch.terminal.progress import Progress

_PENDING = (State.NEW, State.FAILED, State.STALE)


@dataclass(frozen=True, slots=True)
class Options:
    """``retry="profile"`` also renders again what was done under another profile; ``shard`` is (index, count);
    ``timings`` is a file under runs/ for estimates; ``metadata=False`` writes files that say nothing of themselves;
    ``frames=True`` keeps films' frames as PNGs, too."""

    writers: int = 2
    retry: Literal["failed", "profile"] = "failed"
    shard: tuple[int, int] = (0, 1)
    metadata: bool = True
    frames: bool = False
    progress: Progress = field(default_factory=Progress)
    timings: Path | None = None
    observer: Observer = field(default_factory=Observer)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did with its part of the plan: ``done + failed + left + skipped`` jobs.

    ``skipped``: done before, or by another process meanwhile. ``profile``: what it rendered with, if it rendered.
    ``errors`` are the first failures (id, message); ``garbage`` counts manifest lines that could not be read.
    """

    done: int = 0
    skipped: int = 0
    failed: int = 0
    left: int = 0
    interrupted: bool = False
    profile: Profile | None = None
    errors: tuple[tuple[str, str], ...] = ()
    garbage: int = 0


def run(plan: Plan, store: Store, open_renderer: Callable[[], Renderer], options: Options | None = None) -> Outcome:
    """Render what is missing of ``plan`` into ``store``. The renderer is opened only if something must be rendered.

    Raises StoreError if the disk says no and RenderError if the renderer fails at everything; what is done stays done.
    """
    options = options or Options()
    part = range(options.shard[0], len(plan), options.shard[1])
    ledger = store.ledger()
    states = store.states(plan, ledger)
    pending = list(states.where(*_PENDING, part=part))
    again = options.retry == "profile" and any(True for _ in states.where(State.DONE, part=part))
    if not pending and not again and _in_order(plan, store):
        return Outcome(skipped=len(part), garbage=ledger.garbage)
    with Gate(options.progress.abort) as gate:
        return _Run(plan, store, options, gate, ledger).go(part, pending, again, open_renderer)


def _in_order(plan: Plan, store: Store) -> bool:
    """Whether there is nothing to write: a finished experiment may lie on a read-only disk."""
    return not store.worker_files() and store.summary.exists() and is_kept(store.plan, plan)


class _Run:
    """One process's share of the work."""

    def __init__(self, plan: Plan, store: Store, options: Options, gate: Gate, ledger: Ledger) -> None:
        self.plan = plan
        self.store = store
        self.options = options
        self.gate = gate
        self.ledger = ledger
        self.worker = store.worker(options.shard[0])
        self.backwards = store.living(self.worker) % 2 == 1  # two processes on one plan meet in the middle
        self.books = Books(self.worker, options.progress, options.observer)
        self.scene = Scene(plan, store, ledger, self.worker, self.books, gate, options.metadata, options.frames)
        self.writers = Writers(options.writers)
        self.profile: Profile | None = None
        self.elsewhere = 0

    def go(self, part: range, pending: list[int], again: bool, open_renderer: Callable[[], Renderer]) -> Outcome:
        total = len(pending)
        try:
            self.store.keep_plan(self.worker, self.plan)
            self.options.observer.begin(self.worker)
            if not again:
                pending = self._harvest(pending)
            if pending or again:
                total += self._render(part, pending, again, open_renderer)
        except KeyboardInterrupt:
            self.gate.stopped = True
        finally:
            self._end()
        return self._outcome(len(part), total)

    def _end(self) -> None:
        """Whatever happened: write what is rendered, and put the records in order."""
        try:
            self.writers.finish()
            self.store.compact(self.worker, self.plan)
            self.writers.check()
        finally:
            self.worker.close()
            self.options.progress.close()

    def _outcome(self, jobs: int, total: int) -> Outcome:
        done, failed, stopped = self.books.done, len(self.books.failures), self.gate.stopped
        left = max(0, total - done - failed - self.elsewhere) if stopped else 0
        skipped = jobs - done - failed - left
        errors = tuple(self.books.errors)
        return Outcome(done, skipped, failed, left, stopped and left > 0, self.profile, errors, self.ledger.garbage)

    def _harvest(self, pending: list[int]) -> list[int]:
        """Finish without a renderer what has all its shots under one profile (a film with a new frame rate, say);
        returns the rest."""
        known = [p for name in self.store.shot_profiles() if (p := self.store.profile(name)) is not None]
        shelves = [(Shelf(self.store, p.digest, self.ledger), p) for p in known]
        outputs = [(shelf, Output(self.scene, shelf, p)) for shelf, p in shelves]
        rest = []
        for i in pending if outputs else []:
            ids = [shot.id for shot in motion.shots(self.plan[i])]
            found = next((output for shelf, output in outputs if all(map(shelf.has, ids))), None)
            if found is None or self.gate.stopped:
                rest.append(i)
            else:
                self._finish(found, i)
        return rest if outputs else pending

    def _finish(self, output: Output, i: int) -> None:
        self.writers.check()
        self.writers.put(partial(output.film if self.plan[i].film is not None else output.copy, i))

    def _render(self, part: range, pending: list[int], again: bool, open_renderer: Callable[[], Renderer]) -> int:
        """Render ``pending``, and ``again`` what was done under another profile; returns how many those are."""
        with self.gate.abandonable():
            renderer = open_renderer()
        try:
            self.profile = renderer.profile
            self.store.keep_profile(self.worker, self.profile)
            if again:
                states = self.store.states(self.plan, self.ledger, self.profile.digest)
                before, pending = len(pending), list(states.where(*_PENDING, State.OTHER, part=part))
                more = len(pending) - before
            while not self._loop(renderer, pending):
                pending = self._rest(pending, renderer.profile)
        finally:
            renderer.close()
        return more if again else 0

    def _rest(self, pending: list[int], profile: Profile) -> list[int]:
        """The renderer ran out of memory and goes on with fewer rows: another profile, recorded as such."""
        self.profile = profile
        self.store.keep_profile(self.worker, profile)
        states = self.store.states(self.plan, self.store.ledger())
        return [i for i in pending if states[i] in _PENDING and self.plan.ids[i] not in self.books.failures]

    def _loop(self, renderer: Renderer, pending: list[int]) -> bool:
        shelf = Shelf(self.store, renderer.profile.digest, self.ledger)
        output = Output(self.scene, shelf, renderer.profile)
        rivals, strict = self.store.rivals(self.worker), self.options.retry == "profile"

        def news() -> Iterator[Record]:
            return (r for r in rivals.news() if not strict or r.profile == shelf.profile)

        work = Work(self.plan, shelf, self.gate, news, self.backwards)
        with self.gate.abandonable():
            stills, films = work.scan(pending, renderer)
        self.options.progress.start(len(pending), work.shots, work.cost)
        for i in [*stills, *films]:
            self._finish(output, i)
        loop = Loop(renderer, work, output, self.writers)
        try:
            return loop.run(self.gate, self.options.progress, self.options.timings)
        finally:
            self.elsewhere = work.skipped
