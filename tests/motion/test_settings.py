"""What people get wrong in ``motion:``, and what they are told. All of it before anything is rendered."""

from __future__ import annotations

from typing import Any

import pytest

from sdbatch.config.validation import check
from sdbatch.errors import ConfigError
from sdbatch.motion.settings import Motion

ZOOM: dict[str, Any] = {"mode": "zoom", "frames": 48}
WALK: dict[str, Any] = {"mode": "walk", "frames": 48, "prompts": [[0, "a"], ["end", "b"]]}
PROMPT: dict[str, Any] = {"mode": "prompt", "frames": 48, "phrase": "zoom {zoom:.2f}"}
FEEDBACK: dict[str, Any] = {"mode": "feedback", "frames": 48}

WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("order", ZOOM | {"zoom": [[20, 1], [10, 2]]}, "motion.zoom", "times must increase: 10"),
    ("twice", ZOOM | {"x": [["50%", 0], ["23.5", 1]]}, "motion.x", "times must increase"),
    ("beyond", ZOOM | {"zoom": [[0, 1], [48, 2]]}, "motion.zoom", "48 is beyond the end (frame 47, 2s)"),
    (
        "no time",
        ZOOM | {"roll": [["soon", 1]]},
        "motion.roll",
        "'soon' is not a time; write a frame (24), seconds (1.5s)",
    ),
    ("zoom 0", ZOOM | {"zoom": 0}, "motion.zoom", "0 is out of range 0.001–10000"),
    ("zoom -1", ZOOM | {"zoom": [[0, 1], ["end", -1]]}, "motion.zoom", "-1 is out of range"),
    ("ease", ZOOM | {"zoom": [[0, 1], ["end", 2, "in_out_sin"]]}, "motion.zoom", "did you mean 'in_out_sine'?"),
    ("text", ZOOM | {"zoom": [[0, "big"]]}, "motion.zoom", "'big' in [0, 'big'] is not a number"),
    ("mapping", ZOOM | {"zoom": {"0": 1}}, "motion.zoom", "is a mapping; a schedule is a list: [[0, 1]]"),
    ("short", ZOOM | {"zoom": [[0]]}, "motion.zoom", "[0] is not a keyframe"),
    ("bool", ZOOM | {"zoom": True}, "motion.zoom", "is not a schedule"),
    ("both", ZOOM | {"seconds": 2}, "motion.frames", "48 and seconds 2 are in conflict; give one of them"),
    ("neither", {"mode": "zoom"}, "motion.seconds", "needs a length; give seconds or frames"),
    ("endless", {"mode": "zoom", "seconds": 3600, "fps": 240}, "motion.seconds", "864000 frames are out of range"),
    ("deforum", ZOOM | {"zoom": "0:(1.0+f)"}, "motion.zoom", "unknown 'f' in column 8; allowed: numbers, t, max_f"),
    ("no deforum", ZOOM | {"zoom": "fast"}, "motion.zoom", "'fast' is not a schedule"),
    ("loop", WALK | {"loop": True}, "motion.prompts", "a loop needs equal ends, not 'a' and 'b'"),
    ("loop x", ZOOM | {"loop": True, "x": [[0, 0], ["end", 1]]}, "motion.x", "needs equal ends, not 0.0 and 1.0"),
    ("loop zoom", ZOOM | {"loop": True, "zoom": [[0, 1], ["end", 3]]}, "motion.zoom", "it can end at 2 or 4"),
    (
        "loop t",
        PROMPT | {"loop": True, "phrase": "{t}"},
        "motion.phrase",
        "differs at the first and the last frame of a loop",
    ),
    ("loop chain", FEEDBACK | {"loop": True}, "motion.loop", "allowed: false and pingpong"),
    ("loop word", ZOOM | {"loop": "forever"}, "motion.loop", "pingpong"),
    ("still words", PROMPT | {"roll": [[0, 0], ["end", 9]]}, "motion.roll", "has no effect"),
    ("no walk", {"mode": "walk", "frames": 9}, "motion.prompts", "a walk needs two keyframes"),
    (
        "depth",
        ZOOM | {"prompts": [["50%", "a"]]},
        "motion.prompts",
        "'50%' is not a zoom; in mode zoom write [zoom, value]",
    ),
    ("depths", ZOOM | {"prompts": [[4, "a"], [2, "b"]]}, "motion.prompts", "zooms must increase: 2 follows 4"),
    ("strength", FEEDBACK | {"strength": [[0, 0.5], ["end", 1.5]]}, "motion.strength", "1.5 is out of range 0.01–1"),
    ("seed", WALK | {"seeds": [[0, 1], ["end", -1]]}, "motion.seeds", "-1 is out of range 0–"),
    ("no seed", WALK | {"seeds": [[0, 1.5]]}, "motion.seeds", "1.5 in [0, 1.5] is not a seed"),
    ("no text", WALK | {"prompts": [[0, 7], ["end", "b"]]}, "motion.prompts", "7 in [0, 7] is not text"),
    ("no list", WALK | {"prompts": "a"}, "motion.prompts", "'a' is not a list of [time, text, ease]"),
    ("target", ZOOM | {"target": [0.7, 0]}, "motion.target", "the edges are at ±0.5"),
    ("factor", ZOOM | {"factor": 1}, "motion.factor", "out of range"),
    ("mode", {"mode": "zooom", "frames": 9}, "motion.mode", "did you mean 'zoom'?"),
    ("variable", PROMPT | {"phrase": "{speed}"}, "motion.phrase", "unknown variable {speed}; allowed: t, frame"),
    ("zoom phrase", ZOOM | {"phrase": "{t:.1f}"}, "motion.phrase", "unknown variable {t} in mode zoom"),
    ("format", PROMPT | {"phrase": "{zoom:>9999999}"}, "motion.phrase", "is not a number format"),
    ("fps", ZOOM | {"fps": "24/0"}, "motion.fps", "is not a frame rate"),
    ("deforum value", ZOOM | {"zoom": "0:(2-t)"}, "motion.zoom", "0 is out of range 0.001–10000 at frame 2"),
    ("deforum time", ZOOM | {"x": "0:(t/99), 48:(1)"}, "motion.x", "48 is beyond the end (frame 47, 2s)"),
    ("deforum nan", ZOOM | {"x": "0:(1/(t-3))"}, "motion.x", "has no finite value at frame 3"),
    ("deforum depth", ZOOM | {"guidance": "0:(5+t/9)"}, "motion.guidance", "in mode zoom it goes by depth"),
    ("infinite", ZOOM | {"zoom": "0:(1e999)"}, "motion.zoom", "is out of range"),
]


@pytest.mark.parametrize(("data", "key", "says"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_mistakes_name_their_key_and_what_is_allowed(data: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(ConfigError) as found:
        check(Motion, data, "motion")
    assert [p.key for p in found.value.problems] == [key]
    assert says in str(found.value.problems[0])


TOGETHER: list[tuple[dict[str, Any], list[str]]] = [
    (ZOOM | {"zoom": [[9, 1], [5, 2]], "x": [["9s", 0]], "roll": [[99, 0]]}, ["zoom", "x", "roll"]),
    (ZOOM | {"loop": True, "zoom": [[0, 1], ["end", 3]], "y": [[0, 0], ["end", 1]]}, ["zoom", "y"]),
    (ZOOM | {"prompts": [["50%", "a"]], "strength": [[4, 0.5], [2, 0.4]]}, ["prompts", "strength"]),
    (
        WALK | {"loop": True, "seeds": [[0, 1], ["end", 2]], "guidance": [[0, 3], ["end", 5]]},
        ["guidance", "prompts", "seeds"],
    ),
    (PROMPT | {"x": [[0, 0], ["end", 1]], "y": [[0, 0], ["end", 1]]}, ["x", "y"]),
]


@pytest.mark.parametrize(("data", "keys"), TOGETHER)
def test_mistakes_are_reported_all_at_once(data: dict[str, Any], keys: list[str]) -> None:
    with pytest.raises(ConfigError) as found:
        check(Motion, data, "motion")
    assert [p.key for p in found.value.problems] == [f"motion.{k}" for k in keys]


GOOD: list[dict[str, Any]] = [
    ZOOM | {"zoom": "0:(1.0), 30:(1.05)"},
    ZOOM | {"zoom": "0:(1.02+0.02*sin(2*pi*t/20)), 30:(1.05), 40:(min(2, 1+t/40))"},
    FEEDBACK | {"strength": {"wave": "pulse", "period": "0.5s", "from": 0.3, "to": 0.6, "width": 0.2}},
    PROMPT | {"zoom": {"wave": "noise", "period": 12, "from": 1, "to": 2, "seed": 7, "phase": 0.5}},
    ZOOM | {"zoom": [[0, 1], ["end", 2]], "loop": True},
    ZOOM | {"zoom": [[0, 4], ["end", 1]], "factor": 2, "loop": True},
    ZOOM | {"roll": [[0, 0], ["end", 360]], "loop": True},
    ZOOM | {"strength": 0.4},
    {"mode": "zoom", "seconds": 4, "fps": "24000/1001", "zoom": [[0, 1], ["4s", 2]]},
    WALK | {"prompts": [[0, "a"], [20, "b", "hold"], ["end", "a"]], "loop": True},
    WALK | {"loop": "pingpong"},
    PROMPT | {"weight": 1.2},
    FEEDBACK | {"prompts": [[0, "day"], ["end", "night"]], "strength": [[0, 0.3], ["end", 0.6]]},
]


@pytest.mark.parametrize("data", GOOD)
def test_what_is_right_survives_the_way_into_a_file_and_back(data: dict[str, Any]) -> None:
    made = check(Motion, data, "motion")
    assert check(Motion, made.model_dump(mode="json"), "motion") == made
    assert check(Motion, made.model_dump(mode="json", exclude_defaults=True), "motion") == made
    assert hash(made) == hash(check(Motion, data, "motion"))
