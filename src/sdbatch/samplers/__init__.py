"""Samplers as coefficient tables: pure functions of numbers, equal to diffusers' schedulers step by step.

A new sampler is one file with a function from (sampler, schedule, steps, start) to a table, its name in FAMILIES and
its literal parameters in SAMPLERS, with its name in infotext (CONTRIBUTING.md has an example). Knows numpy only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from sdbatch.samplers import ddim, dpmpp, euler, heun, lcm, lms, pndm, unipc
from sdbatch.samplers.base import Sampler, Table, out_of_range
from sdbatch.samplers.noise import NoiseSchedule, alphas_cumprod

__all__ = ["FAMILIES", "SAMPLERS", "NoiseSchedule", "Sampler", "Table", "alphas_cumprod", "table"]

FAMILIES: dict[str, Callable[[Sampler, NoiseSchedule, int, int], Table]] = {
    "ddim": ddim.ddim,
    "dpmpp": dpmpp.dpmpp,
    "euler": euler.euler,
    "heun": heun.heun,
    "lcm": lcm.lcm,
    "lms": lms.lms,
    "pndm": pndm.pndm,
    "unipc": unipc.unipc,
}

SAMPLERS: dict[str, Sampler] = {
    "ddim": Sampler("ddim", spacing="leading", infotext="DDIM"),
    "dpmpp_2m": Sampler("dpmpp", infotext="DPM++ 2M"),
    "dpmpp_2m_karras": Sampler("dpmpp", karras=True, infotext="DPM++ 2M Karras"),
    "dpmpp_2m_sde": Sampler("dpmpp", eta=1.0, infotext="DPM++ 2M SDE"),
    "dpmpp_2m_sde_karras": Sampler("dpmpp", karras=True, eta=1.0, infotext="DPM++ 2M SDE Karras"),
    "euler": Sampler("euler", infotext="Euler"),
    "euler_a": Sampler("euler", eta=1.0, infotext="Euler a"),
    "heun": Sampler("heun", infotext="Heun"),
    "lcm": Sampler("lcm", spacing="leading", infotext="LCM"),
    "lms": Sampler("lms", infotext="LMS"),
    "pndm": Sampler("pndm", spacing="leading", infotext="PLMS"),
    "unipc": Sampler("unipc", infotext="UniPC"),
}


def table(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int = 0) -> Table:
    """The table of a run of `steps` steps, 1 to train_steps, that begins at step `start` (0: from pure noise).

    Multistep samplers begin with an empty history at `start`. Raises ValueError for a parameter that is out of range
    or that the sampler does not support. Tables are cached.
    """
    if sampler.kind not in FAMILIES:
        raise ValueError(f"sampler: {sampler.kind!r} is not one of {', '.join(FAMILIES)}")
    if not 1 <= steps <= schedule.train_steps:
        raise out_of_range("steps", steps, 1, schedule.train_steps)
    if not 0 <= start < steps:
        raise out_of_range("start", start, 0, steps - 1)
    return _table(sampler, schedule, steps, start)


@lru_cache(maxsize=512)
def _table(sampler: Sampler, schedule: NoiseSchedule, steps: int, start: int) -> Table:
    return FAMILIES[sampler.kind](sampler, schedule, steps, start)
