"""The features of the CPU, from the text of Linux's ``/proc/cpuinfo``. Pure."""

from __future__ import annotations

NATIVE = {"avx512_bf16", "amx_bf16", "bf16"}  # Intel and AMD; Arm's name for it
HINT = "this processor has native bfloat16: runtime.dtype=bfloat16 is about 1.6 times faster (pictures differ a little)"


def native_bfloat16(cpuinfo: str) -> bool:
    """Whether all processors support bfloat16 natively; emulated bfloat16 is slower than float32."""
    flags = [set(line.split(":", 1)[1].split()) for line in cpuinfo.splitlines() if line.startswith(("flags", "Feat"))]
    return bool(flags) and all(NATIVE & found for found in flags)


def hint(dtype: str, asked: str, cpuinfo: str) -> str | None:
    """A hint to use bfloat16, if ``runtime.dtype`` (``asked``) is auto and ``dtype`` is float32; else None.

    ``auto`` stays float32, although bfloat16 is 1.57 times faster on AMD EPYC (Zen 4) and its pictures are at 38–55 dB
    (docs/performance.md): the precision would depend on the processor, so hosts that share a plan, or a run that is
    resumed on another one, would mix two.
    """
    return HINT if dtype == "float32" and asked == "auto" and native_bfloat16(cpuinfo) else None
