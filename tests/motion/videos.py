"""Videos of every mode for the tests: small, of the fake renderer's size."""

from __future__ import annotations

import json
from typing import Any

from sdbatch import motion
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Encoding, Job, Model, Shot

BASE = Shot(Model("fake"), "a sea", "", 3, 48, 32, "ddim", 4, 6.0)

_IN = [[0, 1], ["end", 3, "in_out_sine"]]
_TURN = [[0, 0], ["end", 15]]
_WORDS = [[0, "a"], ["50%", "b"], ["end", "a"]]

MOTIONS: dict[str, dict[str, Any]] = {
    "prompt": {"mode": "prompt", "frames": 6, "phrase": "zoom {zoom:.2f}", "zoom": [[0, 1], ["end", 1.5]]},
    "walk": {"mode": "walk", "frames": 8, "prompts": _WORDS, "seeds": [[0, 1], ["end", 2]]},
    "zoom": {"mode": "zoom", "frames": 12, "factor": 1.5, "zoom": _IN, "prompts": [[1, "a"], [2, "b"]]},
    "out": {
        "mode": "zoom",
        "frames": 10,
        "factor": 1.5,
        "zoom": [[0, 1], ["end", 0.4]],
        "roll": _TURN,
        "target": [0.1, 0],
    },
    "droste": {"mode": "zoom", "frames": 12, "zoom": [[0, 1], ["end", 8]], "factor": 2, "loop": True},
    "feedback": {"mode": "feedback", "frames": 9, "zoom": _IN, "x": [[0, 0], ["end", 0.1]], "cadence": 3},
    "pingpong": {"mode": "feedback", "frames": 4, "zoom": _IN, "roll": _TURN, "loop": "pingpong"},
}


def settings(**keys: Any) -> Motion:
    """As the configuration gives it: through JSON."""
    return Motion.model_validate_json(json.dumps(keys))


def video(name: str = "zoom", base: Shot = BASE, encoding: Encoding | None = None, **more: Any) -> Job:
    """The video ``name`` of the table, with other keys if given."""
    return motion.make(base, settings(**(MOTIONS[name] | more)), encoding or Encoding(preset="ultrafast"), name)


def shot_ids(job: Job) -> list[str]:
    return [shot.id for shot in motion.shots(job)]
