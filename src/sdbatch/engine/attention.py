"""Which kernels attention uses: the order in which torch tries its own, or xformers' one.

The order is chosen by the card and named in the profile; the self-test judges it, and takes cuDNN's out where bits
depend on other rows with it.
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
        """A block in which this order holds."""
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
        """Take cuDNN's kernel out from now on; whether it was in."""
        there = "cudnn" in self.kernels
        self.kernels = tuple(kernel for kernel in self.kernels if kernel != "cudnn")
        return there


def order_for(device: str, capability: tuple[int, int] = (0, 0)) -> Order:
    """On CUDA flash before the memory-efficient kernel (wide heads) before plain mathematics."""
    if device != "cuda":
        return Order()
    return Order(KERNELS if capability >= CUDNN_FROM else KERNELS[1:])


def choose(asked: str, device: str) -> str:
    """``xformers`` where it is asked for and runs here, else ``sdpa``. Raises ConfigError on devices without CUDA."""
    if asked != "xformers":
        return "sdpa"
    if device != "cuda":
        raise ConfigError.one("runtime.attention", f"xformers needs CUDA; the device is {device}", "use sdpa")
    reason = broken()
    if reason is None:
        return "xformers"
    log.warning("runtime.attention=xformers cannot be used: %s; going on with sdpa, and the profile says so", reason)
    return "sdpa"


def broken(device: str = "cuda", dtypes: Iterable[torch.dtype] = DTYPES) -> str | None:
    """Why xformers' attention does not run here in some precision or head width that a model may have, or None."""
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
    """Let every attention of ``denoiser`` use xformers."""
    if not set_kernel(denoiser, xformers_kernel):  # a network of diffusers'
        from diffusers.models.attention_processor import XFormersAttnProcessor

        denoiser.set_attn_processor(XFormersAttnProcessor())


def _version() -> str:
    try:
        return version("xformers")
    except PackageNotFoundError:
        return "none"
