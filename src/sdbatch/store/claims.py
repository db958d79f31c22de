"""Which process renders which jobs: chunks of work, claimed by exclusive files in a hidden folder of the experiment.

    .claims-<scope>/<token>.alive   the heartbeat of a running process
    .claims-<scope>/<token>.ended   a process that has ended normally: its jobs are done or have failed
    .claims-<scope>/<token>.left    a process that was interrupted or drained: others take over its unfinished jobs
    .claims-<scope>/<token>.owner   the token of a process, whose claims are hard links to this file
    .claims-<scope>/<chunk>.<n>     a claim: the token of its owner; n counts the owners that died before

No claim is removed or changed during a run, so there is no race: a claim of a dead owner is followed by one with the
next number, and only one process can create that file. The last process of a scope removes its folder. A process
remembers the claims of others: it asks the file system about each of them once, and after a few failures in a row it
lists the folder, so that thousands of processes and chunks cost few requests.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from enum import StrEnum
from itertools import count
from pathlib import Path

from sdbatch import files
from sdbatch.errors import StoreError
from sdbatch.files import atomic
from sdbatch.store import run_file
from sdbatch.store.claim_folders import LOCK, PREFIX, clear, clear_if_unused, is_active, workers
from sdbatch.store.heartbeat import STALE, Heartbeat, liveness
from sdbatch.store.run_file import Run
from sdbatch.store.turn import Turn
from sdbatch.store.worker_state import Liveness, Report

TRUST = 1.0  # seconds for which an owner's liveness is cached; longer with many owners
TRUST_PER_OWNER = 0.01
MISSES = 8  # failed claims in a row after which the folder is listed
IMPATIENT = 20.0  # seconds without a heartbeat after which a process counts as dead for those that are idle


class Claim(StrEnum):
    """The answer to a claim."""

    OURS = "ours"
    INHERITED = "inherited"  # ours from now on; the former owner is gone, and may have done a part
    THEIRS = "theirs"  # claimed by a running process
    ENDED = "ended"  # its owner has ended: jobs that are not done have failed
    ORPHANED = "orphaned"  # its owner is gone, and the caller did not want it as a whole


class Claims:
    """One process's claims. Processes with equal ``scope`` share the work. Thread-safe.

    Raises StoreError if the folder cannot be written.
    """

    def __init__(self, root: Path, scope: str, token: str) -> None:
        self._root = root
        self._plan = scope.partition("-")[0]
        self._folder = root / f"{PREFIX}{scope}"
        self.token = token
        self._ours: set[str] = set()
        self._theirs: set[str] = set()  # claimed by others when we last looked
        self._owners: dict[str, tuple[int, str]] = {}  # chunk -> number and owner of its last known claim
        self._orphans: set[str] = set()
        self._misses = 0
        self._known: dict[str, tuple[float, Liveness]] = {}
        with files.locked(self._folder / LOCK), files.store_errors(self._folder):
            self._heartbeat = Heartbeat(self._folder / token)  # first, because without file locks others must see us
            self._owner = self._folder / f"{token}.owner"
            try:
                before = self._begin()
            except BaseException:
                self._heartbeat.close(ended=False)
                raise
            if self.first:  # claims of dead processes: retry their failures
                for path in before:
                    if path.name != LOCK and path.stem != token:
                        files.remove(path)
            else:
                self._theirs.update(path.name.partition(".")[0] for path in before)

    def _begin(self) -> list[Path]:
        """Find out whether this is the first process; returns what the folder held before."""
        while True:
            self._sign()
            with suppress(FileNotFoundError):  # without file locks the last process may remove the folder now
                before = list(self._folder.iterdir())  # a process that starts after this is not in it
                self.first = not is_active(self._folder, self.token)  # whether no other process is running
                return before
            self._heartbeat.register()

    @property
    def report(self) -> Report:
        """What this process says about itself with each heartbeat."""
        return self._heartbeat.report

    def turn(self, name: str) -> Turn:
        """The turn ``name``, which all processes of the folder share, whatever their scopes."""
        return Turn(self._root, name, self._folder / self.token, self._heartbeat.now)

    def join(self, ours: Run) -> Run:
        """The run that this process takes part in: ``ours``, unless others have begun another one of this plan.

        Raises StoreError.
        """
        self.report.profile = ours.profile.digest
        self._heartbeat.register()
        self._heartbeat.write()  # before the file exists: whoever finds that sees that we live
        part = self._folder / f"{self.token}.run"
        return run_file.join(run_file.path(self._root, self._plan), ours, self._renders, part)

    def _renders(self, profile: str) -> bool:
        """Whether another process renders this plan with ``profile`` (a digest) now."""
        found = [w for w in workers(self._root) if w.token != self.token and w.scope.partition("-")[0] == self._plan]
        return any(w.report.profile == profile and w.liveness is Liveness.ALIVE for w in found)

    def take(self, chunk: str, whole: bool = True) -> Claim:
        """Claim ``chunk`` (a file name without a dot) unless another process has it. Raises StoreError.

        ``whole=False``: the chunk of a dead owner is not taken over, but ORPHANED; its jobs are claimed one by one.
        """
        if chunk in self._ours:
            self.report.chunk = chunk
            return Claim.OURS
        first, token = self._owners.get(chunk, (0, ""))
        for n in count(first):
            path = self._folder / f"{chunk}.{n}"
            if not token:
                if self._create(path):
                    return self._taken(chunk, n)
                token = self._signed(path)
                if token == self.token:  # the answer to our first request was lost on the network
                    return self._taken(chunk, n)
                self._missed(chunk, n, token)
            state = self._liveness(token) if token else self._unsigned(path)
            if state is not Liveness.GONE:
                return Claim.ENDED if state is Liveness.ENDED else Claim.THEIRS
            if not whole:
                self._orphans.add(chunk)
                self._theirs.discard(chunk)
                return Claim.ORPHANED
            token = ""
        raise AssertionError

    def is_open(self, chunk: str) -> bool:
        """Whether ``chunk`` can be claimed now: nobody has claimed it, or its owner does not live any more.

        For a process that is idle: an owner counts as dead IMPATIENT seconds after its last heartbeat. If that was
        wrong, some pictures are rendered twice, with equal bits.
        """
        if chunk in self._theirs or chunk in self._orphans:
            if self._has_owner(chunk):
                return False
            self._theirs.discard(chunk)
        return True

    def _has_owner(self, chunk: str) -> bool:
        first, token = self._owners.get(chunk, (0, ""))
        for n in count(first):
            path = self._folder / f"{chunk}.{n}"
            token = token or self._signed(path)
            if not token:
                return path.exists() and self._unsigned(path) is not Liveness.GONE
            self._owners[chunk] = n, token
            if (state := self._liveness(token, IMPATIENT)) is not Liveness.GONE or chunk in self._orphans:
                return state is Liveness.ALIVE
            token = ""
        raise AssertionError

    def is_taken(self, chunk: str) -> bool:
        """Whether another process had claimed ``chunk`` when we last looked; asks no file."""
        return chunk in self._theirs

    def _taken(self, chunk: str, n: int) -> Claim:
        self._ours.add(chunk)
        self._misses = 0
        self.report.chunk = chunk
        return Claim.INHERITED if n else Claim.OURS

    def _missed(self, chunk: str, n: int, token: str) -> None:
        """Another process was faster: remember it, and look around after several times."""
        self._theirs.add(chunk)
        if token:
            self._owners[chunk] = n, token
        self._misses += 1
        if self._misses >= MISSES:
            self._misses = 0
            with suppress(OSError), os.scandir(self._folder) as entries:
                self._theirs.update({e.name.partition(".")[0] for e in entries} - self._ours - self._orphans)

    def leave(self, ended: bool) -> None:
        """Stop claiming. ``ended``: all claimed jobs are done or have failed; else others may take them over."""
        try:
            with files.locked(self._folder / LOCK):
                self._heartbeat.close(ended)
                clear_if_unused(self._folder)
            with suppress(OSError):
                self._folder.rmdir()
            clear(self._root)
        except (OSError, StoreError):
            self._heartbeat.close(ended)  # the disk is gone: the next run removes the rest

    def _create(self, path: Path) -> bool:
        """Create the claim ``path``; False if it exists."""
        with files.store_errors(path):
            try:
                return atomic.link(self._owner, path)
            except FileNotFoundError:  # this process was considered dead, and the folder was removed
                self._heartbeat.register()
                self._sign()
                return self._create(path)

    def _sign(self) -> None:
        with files.store_errors(self._owner):
            while True:
                with suppress(FileNotFoundError):
                    self._owner.write_text(self.token, "ascii")
                    return
                self._heartbeat.register()

    def _signed(self, path: Path) -> str:
        """The owner of a claim; nothing if it has not been written, or cannot be read now."""
        with suppress(OSError), path.open("rb") as f:
            return f.read(64).decode("ascii", "replace")
        return ""

    def _unsigned(self, path: Path) -> Liveness:
        """The state of an owner that is not named, without hard links: it has just created the file, or died then."""
        with suppress(OSError):
            return Liveness.GONE if self._now() - path.stat().st_mtime > STALE else Liveness.ALIVE
        return Liveness.ALIVE

    def _liveness(self, token: str, stale: float = STALE) -> Liveness:
        at, known = self._known.get(token, (-math.inf, Liveness.ALIVE))
        if known is Liveness.ALIVE and time.monotonic() - at >= TRUST + TRUST_PER_OWNER * len(self._known):
            known = liveness(self._folder / token, self._now(), stale)
            self._known[token] = time.monotonic(), known
        return known

    def _now(self) -> float:
        """The file system's clock."""
        try:
            return self._heartbeat.now()
        except FileNotFoundError:  # this process was considered dead, and the folder was removed
            self._heartbeat.register()
            return self._heartbeat.now()
