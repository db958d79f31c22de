"""A job as a command line: composed and planned again it is the same job, whatever its texts hold."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from sdbatch.config.model import ModelSettings
from sdbatch.gallery import command
from sdbatch.prompts.expansion import WILDCARD
from tests.gallery.render import planned

PARSER = OverridesParser.create()


def understood(arguments: list[str]) -> dict[str, Any]:
    """What Hydra makes of overrides, as plain data."""
    data: dict[str, Any] = {}
    for override in PARSER.parse_overrides(arguments):
        section, _, key = override.key_or_group.rpartition(".")
        (data.setdefault(section, {}) if section else data)[key] = plain(override.value())
    return data


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def again(plan: Any, i: int) -> str:
    data = understood(command.overrides("x", plan.resolved.experiment.model, plan[i]))
    assert data.pop("model") == "fake"
    other = planned(**data)
    assert len(other) == 1
    return str(other.ids[0])


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60).filter(str.strip)
TRICKY = [
    '"',
    "'",
    "\\",
    '\\"',
    "a{b|c}d",
    "{2$$b|c} __colours__ {~x}",
    "[b|c] AND {d|[e:f:0.5]}:2",
    "{x}",
    "\\{",
    "|",
    "${oc.env:HOME}",
    "a, b: [c] (d:1.2)",
    "null",
    "1e5",
    "true",
    "=",
    "\\\\",
    "$(x)",
    "`x`",
    "é 日本 🦊",
    "{a|{b|c}}\\",
    " x ",
]


@pytest.mark.parametrize("text", TRICKY)
def test_texts_that_a_shell_hydra_or_prompts_could_read_otherwise(text: str):
    prompts = [{"id": "p", "text": literal(text), "negative": text}]
    plan = planned("x", prompts=prompts, seeds=[3])
    assert plan[0].shot.prompt == text
    assert again(plan, 0) == plan.ids[0]


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_any_text(text: str, negative: str):
    plan = planned("x", prompts=[{"id": "p", "text": literal(text)}], negative=negative, seeds=[2**40])
    assert again(plan, 0) == plan.ids[0]


def literal(text: str) -> str:
    return re.sub(rf"[{{|}}]|{WILDCARD}", r"\\\g<0>", text)


@pytest.mark.parametrize(
    "data",
    [
        {"sampling": {"sampler": "euler_a", "steps": 7, "guidance": 7.25, "guidance_interval": [0.1, 0.9]}},
        {"motion": {"mode": "prompt", "frames": 9, "fps": "24000/1001", "phrase": 'fog "{t:.2f}", [x]'}},
        {"motion": {"mode": "zoom", "seconds": 2, "zoom": [[0, 1], ["50%", 2], ["end", 3]], "loop": "pingpong"}},
        {"motion": {"mode": "walk", "frames": 12, "seeds": [[0, 3], ["end", 9]], "prompts": [[0, "a"], [9, "{c}"]]}},
        {"motion": {"mode": "feedback", "frames": 6, "strength": 0.4, "x": 0.5}, "encoding": {"quality": 30}},
    ],
)  # fmt: skip
def test_any_setting(data: dict[str, Any]):
    plan = planned("x", prompts=["a sea", "a hill"], seeds="4..5", **data)
    for i in range(len(plan)):
        assert again(plan, i) == plan.ids[i]


def test_models_are_named_without_the_folders_that_they_are_in():
    local = ModelSettings(kind="local", path="/home/ann/models/dream.safetensors", clip_skip=2)
    assert command.model_overrides(local) == ["model=local", "model.path=dream.safetensors", "model.clip_skip=2"]
    hub = ModelSettings(kind="hub", repo="a/b", revision="0" * 40)
    assert command.model_overrides(hub) == ["model=sd15", "model.repo=a/b", f'model.revision="{"0" * 40}"']


def test_the_full_view_has_the_defaults_too() -> None:
    motion = {"mode": "zoom", "frames": 3, "zoom": [[0, 1.0], ["end", 2.0]]}
    plans = planned("x", prompts=["a sea"]), planned("x", prompts=["a sea"], motion=motion)
    still, video = (dict(pair.split("=", 1) for pair in command.all_settings(plan[0])) for plan in plans)
    assert still["sampling.guidance_interval"] == "[0,1]"
    assert "motion.fps" not in still
    assert (video["motion.fps"], video["encoding.codec"], video["motion.mode"]) == ("24", "h264", "zoom")
