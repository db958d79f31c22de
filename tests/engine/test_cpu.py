"""Which processors have bfloat16, by samples of /proc/cpuinfo, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import cpu, torch_engine
from tests.engine.models import source

SAMPLES = {
    "EPYC 9004": ("processor\t: 0\nflags\t\t: fpu sse2 avx2 avx512f avx512_bf16 avx512_vnni\n", True),
    "Xeon, 4th generation": ("flags\t\t: avx2 avx512f amx_bf16 avx512_bf16 amx_tile\nbugs\t\t: spectre_v1\n", True),
    "Xeon, 1st generation": ("flags\t\t: avx2 avx512f avx512cd avx512bw\n", False),
    "EPYC 7003": ("flags\t\t: avx avx2 fma f16c\nvmx flags\t: ept\n", False),
    "Neoverse V1": ("processor\t: 0\nFeatures\t: fp asimd sve bf16 i8mm\n", True),
    "Neoverse N1": ("Features\t: fp asimd fphp asimdhp\n", False),
    "one core without": ("flags\t\t: avx512_bf16\n\nflags\t\t: avx2\n", False),
    "nothing": ("", False),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_native_bfloat16(name: str) -> None:
    assert cpu.native_bfloat16(SAMPLES[name][0]) is SAMPLES[name][1]


def test_only_the_default_gets_the_hint() -> None:
    with_it, without = SAMPLES["EPYC 9004"][0], SAMPLES["EPYC 7003"][0]
    assert cpu.hint("float32", "auto", with_it) == cpu.HINT
    assert cpu.hint("float32", "auto", without) is None
    assert cpu.hint("float32", "float32", with_it) is None
    assert cpu.hint("bfloat16", "bfloat16", with_it) is None


@pytest.mark.parametrize(("name", "told"), [("EPYC 9004", True), ("EPYC 7003", False)])
def test_a_run_says_so_and_stays_float32(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: bool) -> None:
    monkeypatch.setattr(torch_engine, "cpuinfo", lambda: SAMPLES[name][0])
    opened = engine.open(source(folder), Runtime(device="cpu", threads=1))
    assert opened.profile.dtype == "float32"
    assert (cpu.HINT in opened.about) is told
