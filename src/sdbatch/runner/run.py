"""The run: what is not done yet goes through the loop, and in the end all is in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from sdbatch import motion
from sdbatch.runner.context import ResultLog, RunContext
from sdbatch.runner.loop import Loop
from sdbatch.runner.observer import Observer
from sdbatch.runner.outputs import Outputs
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.runner.signals import SignalHandler
from sdbatch.runner.work import Work
from sdbatch.runner.writers import Writers
from sdbatch.spec.renderer import Profile, Renderer
from sdbatch.store import TO_RENDER, Ledger, Record, State, Store
from sdbatch.store.plan_file import Plan, is_kept
from sdbatch.terminal.progress import Progress


@dataclass(frozen=True, slots=True)
class Options:
    """``retry="profile"`` also renders again what was done under another profile; ``shard`` is (index, count);
    ``timings`` is a file under runs/ for estimates; ``metadata=False`` writes files that say nothing of themselves;
    ``frames=True`` keeps videos' frames as PNGs, too."""

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

    Raises StoreError if a file cannot be written and RenderError if the renderer fails at every shot; what is done
    stays done.
    """
    options = options or Options()
    part = range(options.shard[0], len(plan), options.shard[1])
    ledger = store.ledger()
    states = store.states(plan, ledger)
    pending = list(states.where(*TO_RENDER, part=part))
    again = options.retry == "profile" and any(True for _ in states.where(State.DONE, part=part))
    if not pending and not again and _in_order(plan, store):
        return Outcome(skipped=len(part), garbage=ledger.garbage)
    with SignalHandler(options.progress.abort) as signals:
        return _Run(plan, store, options, signals, ledger).go(part, pending, again, open_renderer)


def _in_order(plan: Plan, store: Store) -> bool:
    """Whether there is nothing to write: a finished experiment may lie on a read-only disk."""
    return not store.worker_files() and store.summary.exists() and is_kept(store.plan, plan)


class _Run:
    """One process's share of the work."""

    def __init__(self, plan: Plan, store: Store, options: Options, signals: SignalHandler, ledger: Ledger) -> None:
        self.plan = plan
        self.store = store
        self.options = options
        self.signals = signals
        self.ledger = ledger
        self.worker = store.worker(options.shard[0])
        self.backwards = store.living(self.worker) % 2 == 1  # two processes on one plan meet in the middle
        self.results = ResultLog(self.worker, options.progress, options.observer)
        self.context = RunContext(
            plan, store, ledger, self.worker, self.results, signals, options.metadata, options.frames
        )
        self.writers = Writers(options.writers)
        self.profile: Profile | None = None
        self.elsewhere = 0

    def go(self, part: range, pending: list[int], again: bool, open_renderer: Callable[[], Renderer]) -> Outcome:
        total = len(pending)
        try:
            self.store.keep_plan(self.worker, self.plan)
            self.options.observer.begin(self.worker)
            if not again:
                pending = self._assemble_without_renderer(pending)
            if pending or again:
                total += self._render(part, pending, again, open_renderer)
        except KeyboardInterrupt:
            self.signals.stopped = True
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
        done, failed, stopped = self.results.done, len(self.results.failures), self.signals.stopped
        left = max(0, total - done - failed - self.elsewhere) if stopped else 0
        skipped = jobs - done - failed - left
        errors = tuple(self.results.errors)
        return Outcome(done, skipped, failed, left, stopped and left > 0, self.profile, errors, self.ledger.garbage)

    def _assemble_without_renderer(self, pending: list[int]) -> list[int]:
        """Finish without a renderer what has all its shots under one profile (a video with a new frame rate, say);
        returns the rest."""
        known = [p for name in self.store.shot_profiles() if (p := self.store.profile(name)) is not None]
        caches = [(ShotCache(self.store, p.digest, self.ledger), p) for p in known]
        outputs = [(cache, Outputs(self.context, cache, p)) for cache, p in caches]
        rest = []
        for i in pending if outputs else []:
            ids = [shot.id for shot in motion.shots(self.plan[i])]
            found = next((output for cache, output in outputs if all(map(cache.has, ids))), None)
            if found is None or self.signals.stopped:
                rest.append(i)
            else:
                self._finish(found, i)
        return rest if outputs else pending

    def _finish(self, output: Outputs, i: int) -> None:
        self.writers.check()
        self.writers.put(partial(output.video if self.plan[i].video is not None else output.copy, i))

    def _render(self, part: range, pending: list[int], again: bool, open_renderer: Callable[[], Renderer]) -> int:
        """Render ``pending``, and ``again`` what was done under another profile; returns how many those are."""
        with self.signals.interruptible():
            renderer = open_renderer()
        try:
            self.options.progress.note(renderer.about)
            self.profile = renderer.profile
            self.store.keep_profile(self.worker, self.profile)
            if again:
                states = self.store.states(self.plan, self.ledger, self.profile.digest)
                before, pending = len(pending), list(states.where(*TO_RENDER, State.OTHER, part=part))
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
        return [i for i in pending if states[i] in TO_RENDER and self.plan.ids[i] not in self.results.failures]

    def _loop(self, renderer: Renderer, pending: list[int]) -> bool:
        cache = ShotCache(self.store, renderer.profile.digest, self.ledger)
        output = Outputs(self.context, cache, renderer.profile)
        others, strict = self.store.other_workers(self.worker), self.options.retry == "profile"

        def news() -> Iterator[Record]:
            return (r for r in others.poll() if not strict or r.profile == cache.profile)

        work = Work(self.plan, cache, self.signals, news, self.backwards)
        with self.signals.interruptible():
            stills, videos = work.scan(pending, renderer)
        self.options.progress.start(len(pending), work.shots, work.cost)
        for i in [*stills, *videos]:
            self._finish(output, i)
        loop = Loop(renderer, work, output, self.writers)
        try:
            return loop.run(self.signals, self.options.progress, self.options.timings)
        finally:
            self.elsewhere = work.skipped
