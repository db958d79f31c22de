"""runtime.portable: the same bits on processors of other kinds, as far as the libraries' switches can imitate them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sdbatch.config.runtime import Runtime
from sdbatch.engine import portable
from sdbatch.errors import ConfigError
from sdbatch.spec.renderer import Profile
from sdbatch.store import Store
from sdbatch.tasks import rerender

PORTABLE = (("cpu", "DEFAULT"), (portable.NAME, "MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=AVX2"))
OLDER = {  # what a processor without AVX-512 has, for every library that looks
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD",
}


def _rendered(folder: Path, **environment: str) -> Store:
    settings = ["name=x", "prompts=[a red torii gate]", "canvas=[64x64]", "sampling.steps=2", "gallery.enabled=false"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SDBATCH", *portable.READ, "ATEN_"))}
    command = [sys.executable, "-m", "sdbatch", *settings, "runtime.portable=true", f"output.folder={folder}"]
    subprocess.run(command, cwd=folder.parent, env=clean | environment, check=True, capture_output=True)
    return Store(folder / "x")


def test_the_same_bits_as_on_a_processor_without_avx512(tmp_path: Path) -> None:
    here, older = _rendered(tmp_path / "here"), _rendered(tmp_path / "older", **_known(OLDER))
    (one,), (other,) = here.ledger().records(), older.ledger().records()
    assert one.pixels == other.pixels
    profile = here.profile(one.profile)
    assert profile is not None
    assert dict(PORTABLE).items() <= dict(profile.versions).items()
    assert rerender.runtime_of(profile, Runtime()).portable
    metadata = json.dumps(older.profile(other.profile).asdict())
    assert "MKL_ENABLE_INSTRUCTIONS=AVX2" in metadata, "what else was set is in the profile"


def _known(switches: dict[str, str]) -> dict[str, str]:
    """numpy refuses to start if it shall not use what the processor does not have."""
    features = import_module("numpy._core._multiarray_umath").__cpu_features__
    names = [n for n in switches["NPY_DISABLE_CPU_FEATURES"].split() if features.get(n)]
    return switches | {"NPY_DISABLE_CPU_FEATURES": " ".join(names)}


def test_after_torch_it_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in portable.SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", sys)
    portable.apply(False)
    with pytest.raises(ConfigError, match=r"runtime\.portable: needs a process of its own"):
        portable.apply(True)
    assert not portable.is_set()
    for name, value in portable.SWITCHES.items():
        monkeypatch.setenv(name, value)
    portable.apply(True)


def test_it_is_for_x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MKL_CBWR", raising=False)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(ConfigError, match=r"runtime\.portable: is for x86-64 processors, not for arm64"):
        portable.apply(True)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (PORTABLE, True),
        (PORTABLE[:1], False),
        ((("cpu", "AVX512"), PORTABLE[1]), False),
        ((), False),
        ((PORTABLE[0], (portable.NAME, f"{PORTABLE[1][1]} MKL_ENABLE_INSTRUCTIONS=AVX2")), True),
    ],
)
def test_a_profile_says_whether_it_was_portable(versions: tuple[tuple[str, str], ...], expected: bool) -> None:
    profile = Profile("torch", versions=versions)
    assert portable.is_of(profile) is expected
    assert rerender.runtime_of(profile, Runtime()).portable is expected


def test_switches_are_in_the_profile_only_if_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(portable.READ)]:
        monkeypatch.delenv(name)
    assert portable.switches() == []
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    assert portable.switches() == [("cpu switches", "MKL_CBWR=AVX2")]
