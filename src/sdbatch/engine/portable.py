"""Kernels that all x86-64 processors with AVX2 have, for the same bits on each (``runtime.portable``). No torch.

The libraries choose kernels by instruction set, unless an environment variable says otherwise. They read it once, so it
must be set before torch is imported.
"""

from __future__ import annotations

import os
import platform
import sys

from sdbatch.errors import ConfigError
from sdbatch.spec.renderer import Profile

# ATen's own kernels without AVX; MKL's matrix products, which are then the same on Intel's and AMD's processors;
# oneDNN's convolutions at AVX2, whatever else there is.
SWITCHES = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "AVX2"}
MACHINES = ("x86_64", "AMD64")
NAME = "cpu switches"  # in a profile
READ = ("MKL_", "ONEDNN_", "DNNL_")  # beginnings of variables that change the bits of a CPU


def apply(wanted: bool) -> None:
    """Set the switches if ``wanted``. Raises ConfigError if torch has been imported without them."""
    if not wanted or is_set():
        return
    if platform.machine() not in MACHINES:
        raise ConfigError.one("runtime.portable", f"is for x86-64 processors, not for {platform.machine()}")
    if "torch" in sys.modules:
        raise ConfigError.one("runtime.portable", "needs a process of its own: torch has chosen its kernels already")
    os.environ |= SWITCHES


def is_set() -> bool:
    return all(os.environ.get(name) == value for name, value in SWITCHES.items())


def switches() -> list[tuple[str, str]]:
    """What a profile says of the variables that are set; empty if there are none."""
    found = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(READ)]
    return [(NAME, " ".join(found))] if found else []


def is_of(profile: Profile) -> bool:
    """Whether pictures of ``profile`` were rendered with ``runtime.portable``."""
    found = dict(profile.versions)
    set_then = dict(pair.partition("=")[::2] for pair in found.get(NAME, "").split())
    return set_then | {"ATEN_CPU_CAPABILITY": found.get("cpu", "").lower()} == set_then | SWITCHES
