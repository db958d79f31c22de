"""The runner's parts on their own: signals, writers, lanes, needs."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time

import pytest

from sdbatch.errors import StoreError
from sdbatch.runner.dependencies import Dependencies
from sdbatch.runner.queue import WorkQueue
from sdbatch.runner.signals import SignalHandler
from sdbatch.runner.writers import Writers
from sdbatch.spec.renderer import Bucket
from tests import patience

SMALL, LARGE = Bucket(4, 4, 1), Bucket(8, 8, 1)


def test_a_signal_leaves_what_is_abandonable_and_keeps_the_rest() -> None:
    before = signal.getsignal(signal.SIGINT)
    recorded = []

    def compute(signals: SignalHandler) -> None:
        with signals.interruptible():
            recorded.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    with SignalHandler() as signals:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                compute(signals)
            assert signals.stopped
    assert recorded == [1]
    assert signal.getsignal(signal.SIGINT) is before


def test_bookkeeping_is_finished_before_a_signal_counts() -> None:
    finished = []

    def compute(signals: SignalHandler) -> None:
        with signals.interruptible():
            with signals.uninterruptible():
                os.kill(os.getpid(), signal.SIGTERM)
                finished.append(1)
            finished.append(2)

    with SignalHandler() as signals, pytest.raises(KeyboardInterrupt):
        compute(signals)
    assert finished == [1]


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with SignalHandler() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert not signals.stopped
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_gate_in_another_thread_touches_no_handlers() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with SignalHandler():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_writers_hold_the_renderer_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdbatch.runner.writers.WAITING", 2)
    writers, release, begun = Writers(1), threading.Event(), []

    def slow() -> None:
        begun.append(1)
        release.wait(5)

    for _ in range(3):
        writers.put(slow)
    full = threading.Thread(target=writers.put, args=(slow,))
    full.start()
    full.join(0.2)
    assert full.is_alive()
    release.set()
    full.join()
    writers.drain()
    assert len(begun) == 4
    writers.finish()


def test_a_burst_of_pictures_fits_into_the_queue() -> None:
    """A GPU lands 16 shots at once; the renderer is to hand them over without waiting for the disk."""
    writers, release = Writers(1), threading.Event()
    burst = threading.Thread(target=lambda: [writers.put(release.wait) for _ in range(32)])  # type: ignore[arg-type]
    burst.start()
    burst.join(5)
    assert not burst.is_alive()
    release.set()
    writers.finish()


def test_a_signal_just_before_a_wait_is_handled_during_it() -> None:
    """``interrupt_main`` marks a signal as arrived without ending what the main thread waits for."""
    writers, handled = Writers(1), threading.Event()
    seen: list[bool] = []

    def task() -> None:
        time.sleep(0.05)  # the main thread waits by now
        _thread.interrupt_main(signal.SIGUSR1)
        seen.append(handled.wait(patience.SECONDS))
        handled.clear()

    before = signal.signal(signal.SIGUSR1, lambda *_: handled.set())
    try:
        writers.put(task)
        writers.drain()
        writers.put(task)
        writers.finish()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [True, True]


def test_after_an_error_writers_drop_what_comes() -> None:
    writers, done = Writers(2), []

    def fails() -> None:
        raise StoreError("full")

    writers.put(fails)
    with pytest.raises(StoreError, match="full"):
        writers.drain()
    for _ in range(20):
        writers.put(lambda: done.append(1))
    writers.finish()
    assert not done
    with pytest.raises(StoreError):
        writers.check()


def test_lanes_give_the_largest_first_and_chains_before_others() -> None:
    lanes = WorkQueue()
    for unit in range(4):
        lanes.add((SMALL, LARGE)[unit % 2], unit)
    lanes.add(LARGE, 9, ("a", "b"))
    lanes.sort()
    assert lanes.pop(None) == 1
    lanes.wake("a")
    assert lanes.pop(SMALL) == 0
    lanes.wake("b")
    assert [lanes.pop(None) for _ in range(4)] == [9, 3, 2, None]
    assert lanes.pop(Bucket(1, 1, 1)) is None


def test_a_requeued_unit_comes_next() -> None:
    lanes = WorkQueue()
    for unit in range(3):
        lanes.add(SMALL, unit)
    assert lanes.pop(None) == 0
    lanes.requeue(SMALL, 0)
    assert [lanes.pop(None) for _ in range(4)] == [0, 1, 2, None]


def test_needs_count_shots_and_fail_videos() -> None:
    elsewhere: set[int] = set()
    needs = Dependencies(elsewhere.__contains__)
    assert needs.add(1, ["a", "b"]) == ["a", "b"]
    assert needs.add(2, ["b", "c"]) == ["c"]
    needs.share([("c", 7), ("x", 8)])
    assert needs.shared == {"c": 7}
    assert needs.stored("a") == []
    assert needs.stored("b") == [1]
    assert needs.owner("c") == 2
    elsewhere.add(2)
    assert needs.owner("c") is None
    elsewhere.clear()
    assert needs.waiting() == [2]
    assert needs.failed("c") == [2]
    assert needs.waiting() == []


@pytest.mark.parametrize(("shift", "order"), [(0, [1, 0, 3, 2]), (1, [3, 2, 1, 0]), (2, [1, 0, 3, 2])])
def test_models_follow_each_other_and_processes_begin_with_different_ones(shift: int, order: list[int]) -> None:
    """In the order of the plan; of each model the larger pictures first, and all of it before the next one."""
    lanes = WorkQueue()
    small, large = (b._replace(weights="w") for b in (SMALL, LARGE))
    for unit, bucket in enumerate((small, large, SMALL, LARGE)):
        lanes.add(bucket, unit)
    lanes.add(SMALL, 4, parents=("jparent",))
    lanes.sort(shift)
    assert lanes.waiting() == {small: 1, large: 1, SMALL: 2, LARGE: 1}
    assert [lanes.pop(None) for _ in range(5)] == [*order, None]
    assert lanes.waiting() == {SMALL: 1}
