"""The device and its settings. A device that the user requests is never silently replaced."""

from __future__ import annotations

import os
import platform
import sys
import warnings
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from platformdirs import user_cache_path

from sdbatch.config.runtime import Runtime
from sdbatch.engine import attention, norms, portable
from sdbatch.engine.unused_gpu import unused_gpu
from sdbatch.errors import ConfigError, RenderError
from sdbatch.ffmpeg import encoder_build
from sdbatch.version import __version__

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PACKAGES = ("torch", "diffusers", "transformers", "numpy")
SWITCHES = ("CUBLAS_", "CUBLASLT_", "CUDNN_", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32", "TORCH_BLAS_", "TORCH_CUDNN_")


@dataclass(frozen=True, slots=True)
class Device:
    """A torch device with its precision and settings. ``attention`` is ``sdpa`` or ``xformers``."""

    where: torch.device
    name: str
    dtype: torch.dtype
    attention: str
    threads: int  # inside one call
    workers: int  # calls at a time
    note: str = ""  # a hint for users, if a GPU is not used

    @property
    def type(self) -> str:
        return self.where.type


def prepare(runtime: Runtime) -> Device:
    """Choose the device and configure torch. Raises ConfigError for settings that this machine does not support."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    kind = _kind(runtime.device.partition(":")[0])
    threads = runtime.threads or 1  # with a GPU the CPU only generates noise
    workers = (runtime.workers or max(1, _cores() // threads)) if kind == "cpu" else 1
    torch.set_num_threads(threads)
    device = torch.device(kind)
    if kind == "cuda":
        device = _card(runtime.device)
        _cuda_flags(runtime.exact)
    dtype = DTYPES[runtime.dtype] if runtime.dtype != "auto" else torch.float32 if kind == "cpu" else torch.float16
    if kind == "cpu" and dtype == torch.float16:
        raise ConfigError.one("runtime.dtype", "float16 is for GPUs; the CPU takes float32 or bfloat16", "use bfloat16")
    check_product(device, dtype)
    note = unused_gpu() if kind == "cpu" and runtime.device == "auto" else ""
    found = Device(device, _name(kind), dtype, attention.choose(runtime.attention, kind), threads, workers, note)
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
        why = f"; {text}" if asked == "cuda" and (text := unused_gpu()) else ""
        raise ConfigError.one("runtime.device", f"{asked} is not available here{why}", f"use auto or {nearest}")
    return asked


def cards() -> int:
    """The number of CUDA devices that this process can use. Allocates no memory on them."""
    return torch.cuda.device_count()


def _card(asked: str) -> torch.device:
    """The CUDA device ``asked``, or the current one. Not part of the profile: equal cards give equal bits."""
    if ":" not in asked:
        return torch.device("cuda", torch.cuda.current_device())
    index, count = int(asked.partition(":")[2]), cards()
    if index >= count:
        names = ", ".join(f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(count))
        raise ConfigError.one("runtime.device", f"{asked} is not available here", f"available: {names}")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cuda_flags(exact: bool) -> None:
    """Make equal calls give equal bits; without ``exact``, cuDNN chooses its algorithms by benchmarks.

    Split-K is allowed: without it cuBLAS rejects all half-precision products (torch 2.10 and newer), and its order
    of summation is a function of the call's shape.
    """
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
    reduced = (not exact, True)  # reduced-precision sums, split-K
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = reduced
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = reduced
    torch.backends.cuda.matmul.allow_tf32 = not exact
    torch.backends.cudnn.allow_tf32 = not exact


def check_product(device: torch.device, dtype: torch.dtype) -> None:
    """Compute one product on a GPU, where unsupported settings, cards and precisions fail. Raises ConfigError."""
    if device.type == "cpu":
        return
    try:
        one = torch.ones(16, 16, device=device, dtype=dtype)
        float(torch.mm(one, one).sum())
    except RuntimeError as e:
        kind, why = str(dtype).removeprefix("torch."), str(e).strip().split("\n")[0][:200]
        raise ConfigError.one("runtime.device", f"{device.type} cannot compute in {kind}: {why}", "use cpu") from e


def check_compile(device: Device) -> None:
    """Raise ConfigError if torch.compile does not work (no compiler, no Triton), before a model is loaded."""
    try:
        torch.compile(lambda x: x * 2 + 1)(torch.ones(8, device=device.where))
    except Exception as e:  # torch raises many types here, all with the same meaning
        reason = str(e).strip().split("\n")[0][:200]
        raise ConfigError.one("runtime.compile", f"torch.compile does not work here: {reason}", "use false") from e


def _compiled() -> Path:
    return user_cache_path("sdbatch", appauthor=False) / "inductor"


def failed_to_compile(error: Exception) -> RenderError:
    """The error for compiled code that fails in its first call, usually because of a damaged cache."""
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

    dynamo.recompile_limit = dynamo.accumulated_recompile_limit = 4096  # beyond it calls would run uncompiled
    inductor.deterministic = exact
    if exact:  # inductor recommends TF32 for float32, whose bits are not float32's
        warnings.filterwarnings("ignore", "TensorFloat32 tensor cores", UserWarning)


def versions(device: Device, compiled: bool = False) -> tuple[tuple[str, str], ...]:
    """(name, version) for the profile: python, packages, sdbatch, ffmpeg, the CPU's instruction set, CUDA's parts."""
    found = [("python", platform.python_version()), *((name, _version(name)) for name in PACKAGES)]
    cpu = torch.backends.cpu.get_cpu_capability()
    found += [("sdbatch", __version__), ("ffmpeg", encoder_build()), ("cpu", cpu)]
    found += portable.switches() if device.type == "cpu" else []
    found += [norms.VERSION] * norms.applies(device.where, device.dtype)
    return (*found, *(_cuda_versions(device, compiled) if device.type == "cuda" else ()))


def _cuda_versions(device: Device, compiled: bool) -> list[tuple[str, str]]:
    """What determines kernels. ``switches``: digest of the environment variables that cuBLAS, cuDNN and torch read."""
    switches = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith(SWITCHES))
    packages = [*(["triton"] if compiled else []), *(["xformers"] if device.attention == "xformers" else [])]
    return [
        ("cuda", str(torch.version.cuda)),
        ("cudnn", str(torch.backends.cudnn.version())),  # type: ignore[no-untyped-call]
        *((name, _version(name)) for name in packages),
        ("switches", blake2b("\n".join(switches).encode(), digest_size=8).hexdigest()),
    ]


def _version(package: str) -> str:
    if package == "torch":
        return torch.__version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def cpuinfo() -> str:
    """The text of Linux's /proc/cpuinfo, or the empty string."""
    return Path("/proc/cpuinfo").read_text("utf-8", "replace") if sys.platform == "linux" else ""


def _name(kind: str) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name()
    if kind == "cpu":
        for line in cpuinfo().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
