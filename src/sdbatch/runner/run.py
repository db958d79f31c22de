"""One run: renders the jobs of a plan that are not done, then compacts the records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from sdbatch import motion
from sdbatch.errors import ConfigError, Problem
from sdbatch.plan import division
from sdbatch.runner.context import MAX_ERRORS, ResultLog, RunContext
from sdbatch.runner.inputs import Inputs
from sdbatch.runner.loop import PAUSE, Loop
from sdbatch.runner.observer import Observer
from sdbatch.runner.outputs import Outputs
from sdbatch.runner.share import Share
from sdbatch.runner.shot_cache import ShotCache
from sdbatch.runner.signals import SignalHandler
from sdbatch.runner.work import Work
from sdbatch.runner.writers import Writers
from sdbatch.spec.canonical import plan_digest
from sdbatch.spec.limits import FLAT
from sdbatch.spec.renderer import Profile, Renderer
from sdbatch.store import TO_RENDER, Ledger, OtherWorkers, Record, Run, State, Store, claim_folders
from sdbatch.store.plan_file import Plan, is_kept
from sdbatch.terminal.console import new
from sdbatch.terminal.progress import Progress

_KEYS = ("device", "dtype", "rows", "chain_rows", "vae_batch", "threads", "attention", "compile", "exact")


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a run.

    ``writers``: number of writer threads. ``retry="profile"`` also renders jobs that were done under another
    profile. ``shard`` is (index, count). ``mixed`` takes part in a run of processes with another
    profile. ``metadata=False`` writes files without metadata. ``frames=True`` also stores
    the frames of videos as PNGs. ``timings`` is the file for estimates, under runs/; None: not written.
    ``sharing``: the number of processes that use this one's device, for estimates.
    ``inputs``: the files of users' pictures by digest; others are where the plan found them.
    """

    writers: int = 2
    retry: Literal["failed", "profile"] = "failed"
    shard: tuple[int, int] = (0, 1)
    mixed: bool = False
    metadata: bool = True
    frames: bool = False
    progress: Progress = field(default_factory=Progress)
    timings: Path | None = None
    sharing: int = 1
    inputs: Mapping[str, Path] = field(default_factory=dict)
    observer: Observer = field(default_factory=Observer)
    signals: SignalHandler | None = None  # None: a handler of Ctrl-C and SIGTERM


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a run on its shard of the plan, which has ``done + failed + left + skipped`` jobs.

    ``skipped``: done before, or meanwhile by another process. ``profile``: of the last renderer used, or None.
    ``errors`` are the first failures (id, message); ``damaged_lines`` counts unreadable manifest lines.
    """

    done: int = 0
    skipped: int = 0
    failed: int = 0
    left: int = 0
    interrupted: bool = False
    profile: Profile | None = None
    errors: tuple[tuple[str, str], ...] = ()
    damaged_lines: int = 0


def run(plan: Plan, store: Store, open_renderer: Callable[[], Renderer], options: Options | None = None) -> Outcome:
    """Render the missing jobs of ``plan`` into ``store``. The renderer is opened only if it is needed.

    Raises StoreError if a file cannot be written and RenderError if the renderer fails at every shot; finished jobs
    are kept.
    """
    options = options or Options()
    part = division.shard(plan, *options.shard)
    others = store.other_workers()  # before the ledger is read, so that no record is missed
    ledger = store.ledger()
    states = store.states(plan, ledger)
    pending = list(states.where(*TO_RENDER, part=part))
    rerender = options.retry == "profile" and any(True for _ in states.where(State.DONE, part=part))
    if not pending and not rerender and _is_clean(plan, store):
        return Outcome(skipped=len(part), damaged_lines=ledger.damaged_lines)
    with options.signals or SignalHandler(options.progress.abort) as signals:
        process = _Run(plan, store, options, signals, Start(part, ledger, others))
        return process.run(pending, rerender, open_renderer)


def _is_clean(plan: Plan, store: Store) -> bool:
    """Whether there is nothing to write: a finished experiment may be on a read-only disk."""
    leftovers = store.worker_files() or claim_folders.leftovers(store.root)
    return not leftovers and store.summary.exists() and is_kept(store.plan, plan, every=64 if len(plan) > FLAT else 1)


class Start(NamedTuple):
    """The positions of the jobs of the shard, the records at the start, and a reader of those that others add."""

    part: Sequence[int]
    ledger: Ledger
    others: OtherWorkers


class _Run:
    """One process's part in a run."""

    def __init__(self, plan: Plan, store: Store, options: Options, signals: SignalHandler, start: Start) -> None:
        self.plan = plan
        self.store = store
        self.options = options
        self.signals = signals
        self.part, self.ledger, self.others = start
        self.worker = store.worker(options.shard[0])
        self.others.own = self.worker.path
        try:
            self.claims = store.claims(self.worker, _scope(plan, options.shard))
        except BaseException:
            self.worker.close()
            raise
        if not self.claims.first:
            options.progress.use_own_status(self.worker.token)
        self.share = Share(plan, self.claims, self._new_records, division.chunks(plan, self.part))
        self.results = ResultLog(self.worker, options.progress, options.observer, self.claims.report)
        self.context = RunContext(
            plan, store, self.ledger, self.worker, self.results, signals, options.metadata, options.frames
        )
        self.writers = Writers(options.writers)
        self.profile: Profile | None = None

    def run(self, pending: list[int], rerender: bool, open_renderer: Callable[[], Renderer]) -> Outcome:
        self.pending, ended = pending, False
        try:
            self.store.keep_plan(self.worker, self.plan)
            self.options.observer.begin(self.worker, self.claims)
            rest = pending if rerender else self._assemble_without_renderer(pending)
            if (rest or rerender) and not self.signals.draining:
                self._render(rest, rerender, open_renderer)
            ended = not self.signals.ending
        except KeyboardInterrupt:
            self.signals.stopped = True
        finally:
            self._end(ended)
        return self._outcome(len(self.part))

    def _end(self, ended: bool) -> None:
        """Write what is rendered and compact the records, also after an error."""
        try:
            self.writers.finish()
            self.store.compact(self.worker, self.plan)
            self.writers.check()
        except BaseException:
            ended = False
            raise
        finally:
            self.options.observer.end()
            self.worker.close()
            self.claims.leave(ended)
            self.options.progress.close()

    def _outcome(self, jobs: int) -> Outcome:
        results, share, stopped, damaged = self.results, self.share, self.signals.ending, self.ledger.damaged_lines
        ours = results.done | results.failures
        theirs = [job_id for i in self.pending if share.finished(i) and (job_id := self.plan.ids[i]) not in ours]
        lost = [(job_id, share.failed[job_id]) for job_id in theirs if job_id in share.failed]
        done, failed = len(results.done), len(results.failures - results.done) + len(lost)
        left = max(0, len(self.pending) - len(ours) - len(theirs)) if stopped else 0
        errors = (*results.errors, *lost[:MAX_ERRORS])
        skipped = jobs - done - failed - left
        return Outcome(done, skipped, failed, left, stopped and left > 0, self.profile, errors, damaged)

    def _new_records(self) -> Iterator[Record]:
        """Records of other processes, with retry=profile only those of our profile."""
        only = self.profile.digest if self.options.retry == "profile" and self.profile else ""
        return (r for r in self.others.poll() if not only or r.profile == only)

    def _assemble_without_renderer(self, pending: list[int]) -> list[int]:
        """Finish jobs whose shots are all stored under one profile, for example a video with a new frame rate.

        Returns the positions that need a renderer.
        """
        self.share.refresh()  # records written before our worker file existed
        known = [p for name in self.store.shot_profiles() if (p := self.store.profile(name)) is not None]
        caches = [(ShotCache(self.store, p.digest, self.ledger), p) for p in known]
        inputs = Inputs(self.options.inputs)
        outputs = [(cache, Outputs(self.context, cache, p, inputs)) for cache, p in caches]
        rest, ready = [], []
        for i in pending if outputs else []:
            ids = self._shown(i)
            found = next((output for cache, output in outputs if all(map(cache.had, ids))), None)
            if found is None or self.signals.ending:
                rest.append(i)
            else:
                ready.append((found, i))
        self.options.progress.expect_videos(sum(self.plan[i].video is not None for _, i in ready))
        ready = self._write(ready)
        while (
            ready and not rest and not self.signals.draining
        ):  # other processes have claimed the rest: do not load a model
            with self.signals.interruptible():
                time.sleep(PAUSE)
            self.share.refresh()
            ready = self._write(ready)
        return sorted([*rest, *(i for _, i in ready)]) if outputs else pending

    def _shown(self, i: int) -> tuple[str, ...]:
        """The shots whose pictures make up the file of job ``i``."""
        job = self.plan[i]
        return motion.shot_ids(job) if job.video is not None else (job.id,)

    def _write(self, ready: list[tuple[Outputs, int]]) -> list[tuple[Outputs, int]]:
        """Write jobs whose shots are all stored; returns those that other processes have claimed."""
        theirs = []
        for output, i in ready:
            self.writers.check()
            if self.signals.ending or (ours := self.share.claim(i)) is False:
                theirs.append((output, i))
            elif ours:
                self.writers.put(partial(output.complete, i))
        return theirs

    def _render(self, pending: list[int], rerender: bool, open_renderer: Callable[[], Renderer]) -> None:
        """Render ``pending``; with ``rerender`` also the jobs that were done under another profile."""
        with self.signals.interruptible():
            renderer = open_renderer()
        try:
            first, *notes = renderer.about.split("\n")
            self.options.progress.say("\n".join([first, *filter(new, notes)]))
            self._join(renderer.profile)
            self.profile = renderer.profile
            self.store.keep_profile(self.worker, self.profile)
            if rerender:
                states = self.store.states(self.plan, self.ledger, self.profile.digest)
                self.pending = pending = list(states.where(*TO_RENDER, State.OTHER, part=self.part))
            while not self._loop(renderer, pending):
                pending = self._rest(pending, renderer.profile)
        finally:
            renderer.close()

    def _join(self, ours: Profile) -> None:
        """Take part in the run that is going on. Raises ConfigError if its pictures would have other bits."""
        run = self.claims.join(Run(division.VERSION, ours))
        if run.division != division.VERSION:
            text = f"the processes that render this plan now divide it by rules of another version ({run.division})"
            raise ConfigError.one("shard", text, "wait for their end, or use the same version of sdbatch")
        if run.profile != ours and not self.options.mixed:
            raise ConfigError(_differences(ours, run.profile))

    def _rest(self, pending: list[int], profile: Profile) -> list[int]:
        """The jobs left after a change of profile: out of memory, the renderer continues with fewer rows."""
        self.profile = profile
        self.store.keep_profile(self.worker, profile)
        states = self.store.states(self.plan, self.store.ledger())
        return [i for i in pending if states[i] in TO_RENDER and self.plan.ids[i] not in self.results.failures]

    def _loop(self, renderer: Renderer, pending: list[int]) -> bool:
        self.share.refresh()
        ledger = self.store.ledger() if self.share.done else self.ledger  # others' pictures may be shots of videos
        cache = ShotCache(self.store, renderer.profile.digest, ledger)
        inputs = Inputs(self.options.inputs)
        output = Outputs(self.context, cache, renderer.profile, inputs)
        if self.options.retry == "profile":
            self.share.scope = f"{cache.profile}-"
        work = Work(self.plan, cache, self.signals, self.share, inputs)
        with self.signals.interruptible():
            work.scan(pending, renderer)
        self.options.progress.expect_videos(work.videos)
        self.options.progress.start(len(pending), work.shots, work.cost)
        loop = Loop(renderer, work, output, self.writers)
        return loop.run(self.signals, self.options.progress, self.options.timings, self.options.sharing)


def _differences(ours: Profile, theirs: Profile) -> Iterator[Problem]:
    """Every setting in which the profile of this process differs from that of the run that is going on."""
    for name, here, there in ours.differences(theirs):
        key = f"runtime.{name}" if name in _KEYS else "runtime"
        yield Problem(key, f"{name} is {here} here, and {there} in the run that is going on")
    text = f"this process renders under {ours.digest}, and the run that is going on under {theirs.digest}"
    yield Problem("shard.mixed", text, "use equal settings and machines, or set shard.mixed=true for pictures of both")


def _scope(plan: Plan, shard: tuple[int, int]) -> str:
    """The scope of claims: processes with equal plans and shards share the work."""
    return f"{plan_digest(plan.ids)}-{shard[0]}-{shard[1]}"
