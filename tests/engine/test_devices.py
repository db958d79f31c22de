"""What this machine cannot do is said, with the nearest that works; nothing falls back silently."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import device
from sdbatch.engine.denoiser import Denoiser
from sdbatch.errors import ConfigError, RenderError
from tests.engine.models import source

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")


@NO_CUDA
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"attention": "xformers"}, r"runtime.attention: xformers needs CUDA; the device is cpu \(use sdpa\)"),
        ({"device": "cuda"}, r"runtime.device: cuda is not available here \(use auto or cpu\)"),
        ({"device": "mps"}, r"runtime.device: mps is not available here \(use auto or cpu\)"),
        ({"dtype": "float16"}, r"runtime.dtype: float16 is for GPUs.*\(use bfloat16\)"),
    ],
)
def test_what_is_missing_is_named_with_what_works(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        device.prepare(Runtime(threads=1, **asked))


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with two CUDA cards, as far as choosing goes; the indices that were made current."""
    chosen: list[int] = []
    pretended = {
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "current_device": lambda: chosen[-1] if chosen else 0,
        "set_device": chosen.append,
        "get_device_name": lambda n=0: "Card",
    }
    for name, function in pretended.items():
        monkeypatch.setattr(torch.cuda, name, function)
    monkeypatch.setattr(device, "_cuda_flags", lambda _: None)
    return chosen


@pytest.mark.parametrize(("asked", "index"), [("cuda:1", 1), ("cuda:0", 0), ("cuda", 0), ("auto", 0)])
def test_a_card_is_chosen_by_its_number(two_cards: list[int], asked: str, index: int) -> None:
    found = device.prepare(Runtime(threads=1, device=asked))
    assert (found.where, found.type, found.name) == (torch.device("cuda", index), "cuda", "Card")
    assert two_cards == [index]
    assert device.cards() == 2


def test_a_card_that_is_not_there_is_named_with_those_that_are(two_cards: list[int]) -> None:
    said = r"runtime.device: cuda:2 is not available here \(there is cuda:0 \(Card\), cuda:1 \(Card\)\)"
    with pytest.raises(ConfigError, match=said):
        device.prepare(Runtime(threads=1, device="cuda:2"))


@NO_CUDA
def test_auto_is_the_cpu_in_fp32() -> None:
    found = device.prepare(Runtime(threads=1))
    assert (found.type, found.dtype, found.attention, found.threads) == ("cpu", torch.float32, "sdpa", 1)
    assert torch.get_num_threads() == 1


def test_compile_that_does_not_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no C++ compiler found\nlong story")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(
        ConfigError, match=r"runtime.compile: torch.compile does not work here: no C\+\+ compiler found \(use"
    ):
        device.check_compile(device.prepare(Runtime(threads=1)))


def test_compiled_code_that_breaks_is_no_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a run that was killed while it compiled: what it left in the cache cannot be loaded."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("main.so: invalid ELF header\nlong story")

    monkeypatch.setattr(device, "check_compile", lambda _: None)
    monkeypatch.setattr(Denoiser, "__call__", broken)
    monkeypatch.setattr(Denoiser, "compile", lambda _: None)
    with pytest.raises(RenderError, match=r"compiled: main.so: invalid ELF header\n.*remove .*; or"):
        engine.open(source(folder), Runtime(device="cpu", compile=True))


def test_a_profile_names_what_decides_bits() -> None:
    names = dict(device.versions())
    assert names["torch"] == torch.__version__
    assert set(names) == {"python", "torch", "diffusers", "transformers", "numpy", "sdbatch", "ffmpeg", "cpu"}


def test_torch_is_imported_by_open_and_not_before() -> None:
    code = (
        "import sys, sdbatch.engine, sdbatch.engine.policy, sdbatch.spec.cost;"
        "import sdbatch.prompts.syntax, sdbatch.prompts.vocabulary, sdbatch.imaging.warp;"
        "sys.exit(bool({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
