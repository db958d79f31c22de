"""What the benchmarks rest on: summed kernel times, nvidia-smi's readings, and diffusers with torch's own settings."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.autograd import DeviceType

from benchmarks import kernels, machine, rival, throughput, work
from benchmarks.kernels import Kernel
from benchmarks.rival import Rival
from benchmarks.settings import torch_settings
from sdbatch.engine import device

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="stands in for a card")


def test_gaps_do_not_count_and_overlapping_streams_count_once() -> None:
    found = [Kernel("a", 0, 1000), Kernel("b", 500, 2000), Kernel("inside", 600, 700), Kernel("c", 9000, 9500)]
    assert kernels.milliseconds(found) == 2.5
    assert kernels.milliseconds([]) == 0


def test_only_kernels_of_the_card_are_counted() -> None:
    """Ranges marked by name span the gaps between their kernels."""

    def event(name: str, kind: DeviceType, marked: bool = False) -> Any:
        times = SimpleNamespace(start=0, end=5)
        return SimpleNamespace(name=name, device_type=kind, is_user_annotation=marked, time_range=times)

    cuda, cpu = DeviceType.CUDA, DeviceType.CPU
    events = [event("gemm", cuda), event("launch", cpu), event("compiled region", cuda, marked=True)]
    assert kernels.chosen(events, cuda) == [Kernel("gemm", 0, 5)]


def test_the_longest_kernels_come_first() -> None:
    found = [Kernel("a", 0, 1000), Kernel("b", 0, 1500), Kernel("a", 0, 1000)]
    assert kernels.longest(found) == [("a", 2, 2.0), ("b", 1, 1.5)]
    assert kernels.longest(found, 1) == [("a", 2, 2.0)]


@NO_CUDA
def test_a_share_is_of_the_run_without_the_profiler(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([2.0, 5.0])  # the profiler slows the second run down
    monkeypatch.setattr(kernels, "record", lambda run: [run(), Kernel("a", 0, 1e6)][1:])
    share = kernels.share(lambda: next(seconds))
    assert share == {"wall_seconds": 2.0, "kernel_seconds": 1.0, "kernel_share": 0.5}


def test_readings_of_nvidia_smi() -> None:
    text = "1980, 612.30, 55\n[N/A], 100, 50\n1755, 70.00, 41\n19"
    read = machine.readings(text, tuple(machine.FIELDS))
    assert machine.spread(read) == {
        "sm_mhz": [1755, 1867.5, 1980],
        "watts": [70, 341.15, 612.3],
        "celsius": [41, 48, 55],
    }
    assert machine.spread([]) == {}


def test_the_clock_is_read_while_the_block_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '1980, 600, 50'\ntouch $0.ready\nexec sleep 60\n")
    tool.chmod(0o755)
    monkeypatch.setattr(machine, "_command", lambda *_: [str(tool)])
    with machine.watched() as clock:
        assert clock == {}
        while not Path(f"{tool}.ready").exists():
            pass
    assert clock["sm_mhz"] == [1980, 1980, 1980]


@NO_CUDA
def test_without_a_card_there_is_no_clock() -> None:
    with machine.watched() as clock:
        pass
    assert clock == {}
    assert machine.smi(("name",)) == []


def test_the_reference_has_torchs_own_settings_after_the_engine_changed_them(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import json; from benchmarks.settings import torch_settings; print(json.dumps(torch_settings()))"
    own = rival.json.loads(
        rival.subprocess.run([rival.sys.executable, "-c", code], cwd=rival.ROOT, capture_output=True, check=True).stdout
    )
    before = torch_settings()
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        device._cuda_flags(True)
        assert torch_settings()["cudnn.deterministic"]
        with Rival("tiny") as reference:
            assert reference.settings == own | {"CUBLAS_WORKSPACE_CONFIG": rival.ASKED["CUBLAS_WORKSPACE_CONFIG"]}
            assert reference.run("batched", ("uniform", 2, 1), 2, 2) > 0
    finally:
        _restore(before)


def _restore(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        owner, _, key = name.partition(".")
        if owner == "cudnn":
            setattr(torch.backends.cudnn, key, value)
        elif owner == "matmul":
            setattr(torch.backends.cuda.matmul, key, value)


def test_a_reference_that_dies_is_reported() -> None:
    with pytest.raises(RuntimeError, match="the diffusers reference ended with 1"), Rival("tiny") as reference:
        reference.run("unheard of", ("uniform", 1, -1), 1)


# ---- throughput


class Double:
    """Stands in for the reference: notes what it is asked for."""

    def __init__(self, _: str = "") -> None:
        self.settings: dict[str, Any] = {}
        self.asked: list[tuple[str, str, int, int]] = []

    def run(self, variant: str, sweep: tuple[str, int, int], pictures: int, batch: int = 1) -> float:
        self.asked.append((variant, sweep[0], pictures, batch))
        return 1.0


@pytest.mark.parametrize("cuda", [False, True])
def test_what_is_compared(monkeypatch: pytest.MonkeyPatch, cuda: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    double, jobs = Double(), list(range(20))
    for name in ("uniform", "mixed"):
        variants = throughput._variants(jobs, (name, 20, 1), None, double, 8)  # type: ignore[arg-type]
        for variant in list(variants.values())[1:]:
            variant.run()
    both = [("one by one", 16 if cuda else 20, 1), ("batched", 20, 8)]
    compiled = [("compiled", 16, 8)] if cuda else []
    assert [(v, n, b) for v, s, n, b in double.asked if s == "uniform"] == both + compiled
    assert [(v, n, b) for v, s, n, b in double.asked if s == "mixed"] == both


def test_the_number_of_runs_is_the_requested_one() -> None:
    calls: list[str] = []

    def variant(name: str, pictures: int) -> work.Variant:
        return work.Variant(lambda: calls.append(name) or 2.0, pictures)  # type: ignore[func-returns-value]

    found = work.medians(1, {"a": variant("a", 10), "b": variant("b", 4)})
    assert calls == ["a", "b"]
    assert {name: v["pictures_per_second"] for name, v in found.items()} == {"a": 5.0, "b": 2.0}


def test_one_run_is_one_run_of_each_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []
    opened = SimpleNamespace(profile=SimpleNamespace(asdict=dict), close=lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(throughput.engine, "open", lambda *_: opened)
    monkeypatch.setattr(throughput, "Rival", lambda _: _Entered())
    monkeypatch.setattr(throughput, "_compare", lambda _, sweep, *more: seen.append((sweep[0], more[-1])))
    for sweep in ("both", "uniform", "mixed"):
        throughput.run(Namespace(model="tiny", quick=True, runs=1, mixed=20, sweep=sweep))
    assert seen == [("uniform", 1), ("mixed", 1), ("uniform", 1), ("mixed", 1)]


class _Entered(Double):
    def __enter__(self) -> Double:
        return self

    def __exit__(self, *_: object) -> None: ...
