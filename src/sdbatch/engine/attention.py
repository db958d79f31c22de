"""The kernels of attention: the order in which torch tries its own, or xformers.

The order depends on the GPU and is part of the profile. The self-test removes cuDNN's kernel if the result depends on
batch composition with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from sdbatch.engine.nets.blocks import set_kernel
from sdbatch.errors import ConfigError

CUDNN_FROM = (9, 0)  # compute capability (Hopper): there cuDNN's is the fastest, and torch's own first choice
KERNELS = ("cudnn", "flash", "efficient", "math")
WIDTHS = (40, 80, 160)  # of Stable Diffusion 1's heads
DTYPES = (torch.float16, torch.bfloat16, torch.float32)
log = logging.getLogger(__name__)


class Order:
    """The kernels that ``scaled_dot_product_attention`` tries, first to last; none: torch's own choice (CPU, MPS)."""

    def __init__(self, kernels: Iterable[str] = ()) -> None:
        self.kernels = tuple(kernels)

    def __str__(self) -> str:
        return "sdpa: " + ", ".join(self.kernels) if self.kernels else "sdpa"

    def __call__(self) -> AbstractContextManager[Any]:
        """A context in which this order applies."""
        if not self.kernels:
            return nullcontext()
        from torch.nn.attention import SDPBackend, sdpa_kernel

        named = {
            "cudnn": SDPBackend.CUDNN_ATTENTION,
            "flash": SDPBackend.FLASH_ATTENTION,
            "efficient": SDPBackend.EFFICIENT_ATTENTION,
            "math": SDPBackend.MATH,
        }
        return sdpa_kernel([named[kernel] for kernel in self.kernels], set_priority=True)

    def without_cudnn(self) -> bool:
        """Remove cuDNN's kernel; whether it was in the order."""
        removed = "cudnn" in self.kernels
        self.kernels = tuple(kernel for kernel in self.kernels if kernel != "cudnn")
        return removed


def order_for(device: str, capability: tuple[int, int] = (0, 0)) -> Order:
    """The default order. On CUDA: flash, the memory-efficient kernel (for wide heads), plain mathematics."""
    if device != "cuda":
        return Order()
    return Order(KERNELS if capability >= CUDNN_FROM else KERNELS[1:])


def choose(asked: str, device: str) -> str:
    """``xformers`` if it is requested and works, else ``sdpa``. Raises ConfigError on devices without CUDA."""
    if asked != "xformers":
        return "sdpa"
    if device != "cuda":
        raise ConfigError.one("runtime.attention", f"xformers needs CUDA; the device is {device}", "use sdpa")
    reason = broken()
    if reason is None:
        return "xformers"
    log.warning("runtime.attention=xformers cannot be used: %s; continuing with sdpa, as the profile shows", reason)
    return "sdpa"


def broken(device: str = "cuda", dtypes: Iterable[torch.dtype] = DTYPES) -> str | None:
    """Why xformers does not work here with a precision or head width of Stable Diffusion 1, or None if it works."""
    try:
        for dtype in dtypes:
            for width in WIDTHS:
                q = torch.zeros(1, 8, 64, width, device=device, dtype=dtype)
                xformers_kernel(q, q, q)
    except ImportError:
        return "it is not installed, or does not load (pip install 'sdbatch[xformers]')"
    except (NotImplementedError, RuntimeError, AttributeError, OSError) as e:
        first = (str(e).strip().splitlines() or [type(e).__name__])[0][:160]
        return f"version {_version()} does not run with torch {torch.__version__} ({first}); it is built for another"
    return None


def xformers_kernel(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """A :data:`sdbatch.engine.nets.blocks.Kernel`; xformers has lengths before heads."""
    attend = import_module("xformers.ops").memory_efficient_attention
    out: Tensor = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2)
    return out


def use_xformers(denoiser: Any) -> None:
    """Make every attention layer of ``denoiser`` use xformers."""
    if not set_kernel(denoiser, xformers_kernel):  # a network of diffusers'
        from diffusers.models.attention_processor import XFormersAttnProcessor

        denoiser.set_attn_processor(XFormersAttnProcessor())


def _version() -> str:
    try:
        return version("xformers")
    except PackageNotFoundError:
        return "none"
