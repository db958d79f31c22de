"""The device and its settings: chosen once, never silently another one than was asked for."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from sdbatch import __version__
from sdbatch.config.runtime import Runtime
from sdbatch.engine import attention
from sdbatch.errors import ConfigError, RenderError
from sdbatch.media.ffmpeg import encoder_build

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PACKAGES = ("torch", "diffusers", "transformers", "numpy")


@dataclass(frozen=True, slots=True)
class Device:
    """Where and in which precision. ``attention`` is ``sdpa`` or ``xformers``."""

    where: torch.device
    name: str
    dtype: torch.dtype
    attention: str
    threads: int  # inside one call
    workers: int  # calls at a time

    @property
    def type(self) -> str:
        return self.where.type


def prepare(runtime: Runtime) -> Device:
    """Choose the device and set torch up for equal bits. Raises ConfigError for what this machine cannot do."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    kind = _kind(runtime.device)
    threads = runtime.threads or (1 if kind == "cpu" else _cores())
    workers = (runtime.workers or max(1, _cores() // threads)) if kind == "cpu" else 1
    torch.set_num_threads(threads)
    device = torch.device(kind, torch.cuda.current_device()) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        _cuda_flags(runtime.exact)
    dtype = DTYPES[runtime.dtype] if runtime.dtype != "auto" else torch.float32 if kind == "cpu" else torch.float16
    if kind == "cpu" and dtype == torch.float16:
        raise ConfigError.one("runtime.dtype", "float16 is for GPUs; the CPU takes float32 or bfloat16", "use bfloat16")
    found = Device(device, _name(kind), dtype, attention.choose(runtime.attention, kind), threads, workers)
    if runtime.compile:
        compile_settings(runtime.exact)
        check_compile(found)
    return found


def _kind(asked: str) -> str:
    able = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return next(kind for kind, there in able.items() if there)
    if not able[asked]:
        nearest = next(kind for kind, there in able.items() if there)
        raise ConfigError.one("runtime.device", f"{asked} is not available here", f"use auto or {nearest}")
    return asked


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cuda_flags(exact: bool) -> None:
    """Equal bits for equal calls; without ``exact`` cuDNN may measure and choose."""
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
    reduced = (not exact, not exact)  # reduced-precision sums, split-K
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = reduced
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = reduced
    torch.backends.cuda.matmul.allow_tf32 = not exact
    torch.backends.cudnn.allow_tf32 = not exact


def check_compile(device: Device) -> None:
    """Raises ConfigError where torch.compile does not work (no compiler, no Triton), before any model is loaded."""
    try:
        torch.compile(lambda x: x * 2 + 1)(torch.ones(8, device=device.where))
    except Exception as e:  # torch raises many kinds here; all mean the same to the user
        reason = str(e).strip().split("\n")[0][:200]
        raise ConfigError.one("runtime.compile", f"torch.compile does not work here: {reason}", "use false") from e


def _compiled() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sdbatch" / "inductor"


def failed_to_compile(error: Exception) -> RenderError:
    """What torch says when compiled code breaks only in its first real call: a torn cache, mostly."""
    last = str(error).strip().split("\n")[0][:200]
    folder = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    return RenderError(
        f"the denoiser could not be compiled: {last}\n"
        f"  if an earlier run was killed while it compiled, remove {folder}; or use runtime.compile=false"
    )


def compile_settings(exact: bool) -> None:
    """Many call shapes, a cache on disk that outlives the process, and reproducible kernels."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(_compiled()))  # read when these are imported
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    dynamo.recompile_limit = dynamo.accumulated_recompile_limit = 4096  # beyond it calls would go on uncompiled
    inductor.deterministic = exact


def versions() -> tuple[tuple[str, str], ...]:
    """What a profile names: python, packages, sdbatch, ffmpeg, and the CPU's instruction set (it decides bits)."""
    found = [("python", platform.python_version()), *((name, _version(name)) for name in PACKAGES)]
    cpu = torch.backends.cpu.get_cpu_capability()
    return (*found, ("sdbatch", __version__), ("ffmpeg", encoder_build()), ("cpu", cpu))


def _version(package: str) -> str:
    if package == "torch":
        return torch.__version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def cpuinfo() -> str:
    """What Linux says of the processors, or nothing."""
    return Path("/proc/cpuinfo").read_text("utf-8", "replace") if sys.platform == "linux" else ""


def _name(kind: str) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name()
    if kind == "cpu":
        for line in cpuinfo().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
