"""The keys that ``sweep`` accepts and that ``task=final`` may change. Derived from the models."""

from __future__ import annotations

from pydantic import BaseModel

from sdbatch.config.experiment import EncodingSettings, Experiment, Sampling
from sdbatch.motion.settings import Motion

SECTIONS: dict[str, type[BaseModel]] = {"sampling": Sampling, "motion": Motion, "encoding": EncodingSettings}
LISTS = ("prompts", "canvas", "seeds")
FIXED = tuple(k for k in Experiment.model_fields if k not in (*LISTS, *SECTIONS, "negative"))
SWEEPABLE = (*LISTS, "negative", *(f"{s}.{k}" for s, m in SECTIONS.items() for k in m.model_fields))
