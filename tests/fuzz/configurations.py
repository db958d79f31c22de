"""Configurations as people might write them: what the schema allows, and what nobody should, in one dict."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from sdbatch.config.experiment import schema
from sdbatch.config.keys import LISTS, SWEEPABLE
from sdbatch.motion.keys import CURVES

SCHEMA = schema()
TEXTS = st.one_of(
    st.sampled_from(["", "a sea", "a {red|blue} boat", "(a:1.2) [b]", "${x}", "???", "a\nb", "../../x", "😀", "\0"]),
    st.sampled_from(["{", "}{", "|", "{2$$a|b}", "{~a|b", "{~a|b}", "__x__", "[a:b:0.5]", "a AND b", "[a|b", "{9$$|}"]),
    st.text(max_size=12),
)
SPECIAL: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**63,
    2**64,
    10**400,
    0.0,
    -0.0,
    0.5,
    1e308,
    -1e308,
    math.nan,
    math.inf,
    [],
    {},
    [[]],
    [{}],
]
RANGES = ["0..3", "5..1", "0..1..0.1", "1..2..0", "0..99999999999", "..", "0..3..", "-3..3", "9" * 400 + "..1"]
TIMES = ["end", "50%", "1s", "200%", "1e5", "", "-1", "end "]
JUNK = st.recursive(
    st.one_of(st.sampled_from(SPECIAL), TEXTS, st.sampled_from([*RANGES, *TIMES]), st.integers(-3, 30)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=4,
)
KEYFRAMES = st.lists(
    st.tuples(st.one_of(st.integers(0, 5), st.sampled_from(TIMES)), st.one_of(st.floats(-1, 4), TEXTS)).map(list),
    max_size=3,
)


NUMBERS = st.floats(0.5, 2) | st.sampled_from([1, 0, -1])
WAVES = st.fixed_dictionaries(
    {"wave": st.sampled_from(["sin", "cos", "pulse", "noise", "beats"]), "from": NUMBERS, "to": NUMBERS},
    optional={
        "period": st.sampled_from(["50%", "1s", 3, 0, "end"]),
        "phase": NUMBERS,
        "width": NUMBERS,
        "seed": st.integers(-1, 3),
        "fall": st.sampled_from(["0.2s", 2, "50%", "x"]),
        "times": st.lists(st.floats(0, 3), max_size=3),
    },
)
FORMULAS = st.sampled_from(["0:(1), 2:(1.5)", "0:(1+0.1*sin(t))", "0:(1/t)", "0:(max_f)", "0:(", "0:(x)", "5:(t"])
NAMES = ["{prompt}", "{sweep}-{seed:4}", "{id}", "{motion.zoom}{encoding.audio}", "{negative:9}", "a/b", "{", "{x}", ""]

OWN = {  # keys whose texts have a form that the schema does not say
    "canvas": st.lists(st.sampled_from(["1:1", "16:9", "64x48", "33x17", " 9:16 "]), min_size=1, max_size=2),
    "seeds": st.sampled_from([0, 7, [3, 1, 3], "0..2", ["0..1", 9]]),
    "fps": st.sampled_from([24, 12.5, "24000/1001", 1]),
    "phrase": st.sampled_from(["", "zoom {zoom:.1f}", "{t:.2f} {frame}", "fog", "{x}{y}{roll}{weight}"]),
    "guidance_interval": st.sampled_from([[0, 1], [0.2, 0.8]]),
    "prompts": st.lists(TEXTS | st.builds(dict, text=TEXTS), min_size=1, max_size=2),
    "vae": st.none(),
    "names": st.none() | st.sampled_from(NAMES),
    "audio": st.sampled_from([None, None, "beat.wav", "none.wav"]),
    "use": st.sampled_from(["film", [], ["film", "sky"], "none"]),
    "file": st.sampled_from([None, "styles.csv", "beat.wav"]),
    "across": st.sampled_from([None, "seeds", "prompts"]),
}


class Writer:
    """Someone who writes configurations; a ``wild`` one writes junk here and there."""

    def __init__(self, wild: bool) -> None:
        self.wild = wild

    def key(self, name: str, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        own = OWN.get(name, self.value(part))
        if name in CURVES:
            own = st.one_of(own, WAVES, FORMULAS)
        return st.one_of(own, own, own, JUNK) if self.wild else own

    def value(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        """What ``part`` of the schema allows; numbers near their lower end, so that videos stay short."""
        if "$ref" in part:
            return self.value(SCHEMA["$defs"][part["$ref"].rpartition("/")[2]])
        if "anyOf" in part:
            return st.one_of([self.value(p) for p in part["anyOf"]])
        if "enum" in part or "const" in part:
            return st.sampled_from(part.get("enum", [part.get("const")]))
        return getattr(self, part.get("type", "anything"))(part)

    def integer(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        low = part.get("minimum", 0)
        return st.integers(low, min(low + 20, part.get("maximum", low + 20)))

    def number(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        low = part.get("minimum", part.get("exclusiveMinimum", 0.25))
        return st.floats(low, min(low + 3, part.get("maximum", low + 3)))

    def string(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        return st.from_regex(part["pattern"], fullmatch=True) if "pattern" in part else TEXTS

    def boolean(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        return st.booleans()

    def null(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        return st.none()

    def array(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        if "prefixItems" in part:
            return st.tuples(*map(self.value, part["prefixItems"])).map(list)
        if part.get("items") == {"type": "array"} or "array" in str(part.get("items")):
            return KEYFRAMES
        return st.lists(self.value(part.get("items", {})), max_size=2)

    def object(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        if "properties" not in part:
            return self.entry()
        keys = {k: self.key(k, v) for k, v in part["properties"].items()}
        few = st.lists(st.sampled_from(sorted(keys)), unique=True, max_size=4)
        return few.flatmap(lambda names: st.fixed_dictionaries({k: keys[k] for k in names}))

    def anything(self, part: dict[str, Any]) -> st.SearchStrategy[Any]:
        return JUNK

    def entry(self) -> st.SearchStrategy[dict[str, Any]]:
        """An entry of ``sweep`` or a rule of ``skip``."""
        pair = st.sampled_from(SWEEPABLE).flatmap(lambda key: st.tuples(st.just(key), self.swept(key)))
        pairs = [pair, pair, pair, st.tuples(TEXTS, JUNK)] if self.wild else [pair]
        return st.lists(st.one_of(pairs), min_size=1, max_size=2).map(dict)

    def swept(self, key: str) -> st.SearchStrategy[Any]:
        section, _, name = key.partition(".")
        part = SCHEMA["properties"][section]
        if name:
            part = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]["properties"][name]
        one = self.key(name or section, part)
        values = (
            one.filter(lambda v: isinstance(v, list) and v) if key in LISTS else st.lists(one, min_size=2, max_size=2)
        )
        return st.one_of(values, values, values, st.sampled_from(RANGES), JUNK) if self.wild else values

    def configuration(self) -> st.SearchStrategy[dict[str, Any]]:
        stray = st.dictionaries(TEXTS, JUNK, max_size=1) if self.wild else st.just({})
        moving = st.sampled_from([{}, {"motion": {"mode": "prompt", "frames": 3, "phrase": "{t}"}}])
        usual = st.fixed_dictionaries(
            {"prompts": st.just(["a sea", "a boat"])}, optional={"sweep": st.lists(self.entry(), max_size=2)}
        )
        parts = st.tuples(stray, moving, usual, self.object({"properties": TOP}))
        return parts.map(lambda dicts: {k: v for d in dicts for k, v in d.items()})


NOT_HERE = {"task", "model", "cut", "plan", "defaults", "hydra", "source", "reproduce", "final", "prune", "verify"}
TOP = {k: v for k, v in SCHEMA["properties"].items() if k not in NOT_HERE}
CONFIGURATIONS = st.one_of(Writer(wild=False).configuration(), Writer(wild=True).configuration())
