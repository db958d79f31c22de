"""What a processor can do, read from Linux' ``/proc/cpuinfo``. Pure."""

from __future__ import annotations

NATIVE = {"avx512_bf16", "amx_bf16", "bf16"}  # Intel and AMD; Arm's name for it
HINT = "this processor has native bfloat16: runtime.dtype=bfloat16 is about 1.6 times faster (pictures differ a little)"


def native_bfloat16(cpuinfo: str) -> bool:
    """Whether every processor multiplies bfloat16 itself; without that it is emulated, and slower than float32."""
    flags = [set(line.split(":", 1)[1].split()) for line in cpuinfo.splitlines() if line.startswith(("flags", "Feat"))]
    return bool(flags) and all(NATIVE & found for found in flags)


def hint(dtype: str, asked: str, cpuinfo: str) -> str | None:
    """A word on bfloat16 for who left ``runtime.dtype`` to us and got ``dtype`` on a CPU.

    ``auto`` stays float32: the figure comes from one try-out (1.6 times at 37–53 dB of the fp32 pictures), and a choice
    measured at each start could flip between two runs, and with it the profile.
    """
    return HINT if dtype == "float32" and asked == "auto" and native_bfloat16(cpuinfo) else None
