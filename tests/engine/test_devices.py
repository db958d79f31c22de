"""What this machine cannot do is said, with the nearest that works; nothing falls back silently."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import device, unused_gpu
from sdbatch.engine.decode import Vae
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
    monkeypatch.setattr(device, "check_product", lambda *_: None)
    return chosen


@pytest.mark.parametrize(("asked", "index"), [("cuda:1", 1), ("cuda:0", 0), ("cuda", 0), ("auto", 0)])
def test_a_card_is_chosen_by_its_number(two_cards: list[int], asked: str, index: int) -> None:
    found = device.prepare(Runtime(threads=1, device=asked))
    assert (found.where, found.type, found.name) == (torch.device("cuda", index), "cuda", "Card")
    assert two_cards == ([index] if ":" in asked else [])
    assert device.cards() == 2


def test_a_card_that_is_not_there_is_named_with_those_that_are(two_cards: list[int]) -> None:
    said = r"runtime.device: cuda:2 is not available here \(available: cuda:0 \(Card\), cuda:1 \(Card\)\)"
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


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            RuntimeError("main.so: invalid ELF header\nlong story"),
            r"compiled: main.so: invalid ELF header\n.*remove .*; or",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), r"^out of memory while the model was loaded"),
        (
            torch.AcceleratorError("CUDA error: unspecified launch failure"),
            r"^the GPU stopped working: CUDA error: unspec",
        ),
    ],
)
def test_compiled_code_that_breaks_is_not_a_traceback(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    """As after a run that was killed while it compiled: what it left in the cache cannot be loaded."""

    def broken(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(device, "check_compile", lambda _: None)
    monkeypatch.setattr(Denoiser, "__call__", broken)
    monkeypatch.setattr(Denoiser, "compile", lambda _: None)
    monkeypatch.setattr(Vae, "compile", lambda _: None)
    with pytest.raises(RenderError, match=text):
        engine.open(source(folder), Runtime(device="cpu", compile=True))


COMMON = {"python", "torch", "diffusers", "transformers", "numpy", "sdbatch", "ffmpeg", "cpu"}
CPU = device.Device(torch.device("cpu"), "a processor", torch.float32, "sdpa", 1, 1)
CARD = replace(CPU, where=torch.device("cuda", 0), name="a card", dtype=torch.float16)


def test_a_profile_names_what_decides_bits() -> None:
    names = dict(device.versions(CPU))
    assert names["torch"] == torch.__version__
    assert set(names) == COMMON


@pytest.mark.parametrize(
    ("attention", "compiled", "more"),
    [("sdpa", False, set()), ("sdpa", True, {"triton"}), ("xformers", False, {"xformers"})],
)
def test_on_a_gpu_it_names_what_chooses_kernels(attention: str, compiled: bool, more: set[str]) -> None:
    names = dict(device.versions(replace(CARD, attention=attention), compiled))
    assert set(names) == COMMON | {"cuda", "cudnn", "switches"} | more


def test_switches_of_cuda_libraries_are_another_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    def switches() -> str:
        return dict(device.versions(CARD))["switches"]

    usual = switches()
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert switches() == usual
    seen = {usual}
    for name in ("TORCH_CUDNN_USE_HEURISTIC_MODE_B", "TORCH_BLAS_PREFER_CUBLASLT", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, "1")
        seen.add(switches())
    assert len(seen) == 4


@pytest.fixture
def a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine in which torch says that it has CUDA."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "a card")


@pytest.mark.usefixtures("a_card", "flags")
@pytest.mark.parametrize("cores", [1, 64])
def test_the_number_of_cores_is_not_in_a_gpus_profile(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(device, "_cores", lambda: cores)
    monkeypatch.setattr(device, "check_product", lambda *_: None)
    found = device.prepare(Runtime())
    assert (found.type, found.threads, found.workers, found.dtype) == ("cuda", 1, 1, torch.float16)


@pytest.fixture
def flags() -> Iterator[None]:
    """torch's settings as they were."""
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, cuda.allow_tf32
    reduced = torch._C._get_cublas_allow_fp16_reduced_precision_reduction()
    brain = torch._C._get_cublas_allow_bf16_reduced_precision_reduction()
    yield
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, cuda.allow_tf32 = before
    cuda.allow_fp16_reduced_precision_reduction = reduced
    cuda.allow_bf16_reduced_precision_reduction = brain


@pytest.mark.usefixtures("flags")
@pytest.mark.parametrize("exact", [True, False])
def test_what_the_settings_mean_in_this_torch(exact: bool) -> None:
    """Without split-K cuBLAS refuses every product in half precision, so it stays allowed."""
    device._cuda_flags(exact)
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    assert cuda.allow_fp16_reduced_precision_reduction is not exact
    assert cuda.allow_bf16_reduced_precision_reduction is not exact
    assert torch._C._get_cublas_allow_fp16_reduced_precision_reduction() == (not exact, True)
    assert torch._C._get_cublas_allow_bf16_reduced_precision_reduction() == (not exact, True)
    assert (cudnn.deterministic, cudnn.benchmark) == (exact, not exact)
    assert cuda.allow_tf32 is cudnn.allow_tf32 is not exact


@pytest.mark.usefixtures("a_card", "flags")
def test_a_gpu_that_cannot_compute_is_reported_before_weights_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise RuntimeError("(..., allow_splitk=False) requires the cuBLASLt backend\nlong story")

    monkeypatch.setattr(torch, "ones", lambda *_, **__: torch.zeros(1))
    monkeypatch.setattr(torch, "mm", refused)
    text = r"runtime.device: cuda cannot compute in float16: .*requires the cuBLASLt backend \(use cpu\)"
    with pytest.raises(ConfigError, match=text):
        device.prepare(Runtime())


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_float32_is_compiled_without_advice_to_give_up_bits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """inductor's own warning, as on a card that has TF32."""
    from torch._inductor.compile_fx import _warn_tf32_disabled

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    with pytest.raises(UserWarning, match="TensorFloat32"):
        _warn_tf32_disabled.__wrapped__()
    device.compile_settings(exact=True)
    _warn_tf32_disabled.__wrapped__()


@pytest.fixture
def unused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A machine with a card, a driver and a build of torch of one's choice, and no nvidia-smi."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(unused_gpu.shutil, "which", lambda _: None)
    node, version = tmp_path / "nvidia0", tmp_path / "version"
    monkeypatch.setattr(unused_gpu, "NODE", node)
    monkeypatch.setattr(unused_gpu, "DRIVER", version)

    def machine(driver: str, cuda: str | None) -> None:
        node.touch()
        version.write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {driver}  Tue Nov  5 2024\nGCC 12.3.0\n")
        monkeypatch.setattr(torch.version, "cuda", cuda)

    return machine


@pytest.mark.parametrize(
    ("driver", "cuda", "why"),
    [
        ("580.95.05", None, f"torch {torch.__version__} is built without CUDA (install a CUDA build of torch)"),
        ("535.129.03", "13.0", "its driver 535.129.03 is too old for torch's CUDA 13.0 (needs 580 or newer)"),
        ("470.82", "12.8", "its driver 470.82 is too old for torch's CUDA 12.8 (needs 525 or newer)"),
    ],
)
def test_auto_says_why_it_does_not_take_the_gpu(
    unused: Any, folder: Path, driver: str, cuda: str | None, why: str
) -> None:
    unused(driver, cuda)
    found = engine.open(source(folder), Runtime(threads=1, workers=1, rows=4))
    first, second, *_ = found.about.splitlines()  # a third one where the processor has bfloat16
    assert first.startswith("cpu ")
    assert first.endswith(", float32, 4 rows per call, sdpa attention, exact at 8x8 latents, other sizes unverified")
    assert second == f"the GPU in this machine is not used: {why}"
    with pytest.raises(ConfigError) as caught:
        device.prepare(Runtime(device="cuda"))
    assert why in str(caught.value)
    assert device.prepare(Runtime(device="cpu")).note == ""  # as asked


def test_a_gpu_that_is_hidden_or_does_not_start(unused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses() -> None:
        raise RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment. More")

    assert unused_gpu.unused_gpu() == ""  # no card, nothing to say
    unused("580.95.05", "13.0")
    monkeypatch.setattr(torch.cuda, "init", refuses)
    assert "CUDA 13.0 does not start with driver 580.95.05: CUDA unknown error" in unused_gpu.unused_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES='' leaves no usable device" in unused_gpu.unused_gpu()


def test_a_gpu_is_found_by_the_drivers_own_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under WSL there is no /dev/nvidia0."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$1" = -L ] && echo "GPU 0: a card (UUID: GPU-1)" || echo 511.65\n')
    tool.chmod(0o755)
    monkeypatch.setattr(unused_gpu, "NODE", tmp_path / "none")
    monkeypatch.setattr(unused_gpu, "DRIVER", tmp_path / "none")
    monkeypatch.setattr(unused_gpu.shutil, "which", lambda _: str(tool))
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert "its driver 511.65 is too old for torch's CUDA 12.8" in unused_gpu.unused_gpu()


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ({"exact": False}, "sdpa attention, not exact (runtime.exact=false)"),
        ({"dtype": "bfloat16", "rows": 1}, ", bfloat16, 1 row per call, sdpa attention, exact at"),
    ],
)
def test_an_engine_says_how_it_renders(folder: Path, runtime: dict[str, Any], said: str) -> None:
    assert said in engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, **runtime)).about


def test_torch_is_imported_by_open_and_not_before() -> None:
    code = (
        "import sys, sdbatch.engine, sdbatch.engine.policy, sdbatch.spec.cost;"
        "import sdbatch.prompts.syntax, sdbatch.prompts.vocabulary, sdbatch.imaging.warp;"
        "sys.exit(bool({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
