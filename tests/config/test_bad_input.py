"""Every mistake is answered with its key, its value and what to write instead; all of them at once.

A row reads: this configuration → the key that the message names, and words that must be in it.
"""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

import pytest

from sdbatch.errors import shown
from sdbatch.samplers import SAMPLERS
from tests.config.building import VIDEO, planned, problems

INF, NAN = math.inf, math.nan
NO_MAPPINGS: list[Any] = [None, [], 5, "x"]
NO_VALUES: list[Any] = [[], 5, None, "12,24", {"a": 1}]


def video(**more):
    return {"motion": VIDEO | more}


def sweep(*entries, **more):
    return {"sweep": list(entries), **more}


UNKNOWN = [
    ({"foo": 1}, "foo", "unknown key (known: name, task, prompts"),
    ({"smapling": {"steps": 3}}, "smapling", "unknown key (did you mean 'sampling'?)"),
    ({"steps": 12}, "steps", "did you mean 'sampling.steps'?"),
    ({"seed": 7}, "seed", "did you mean 'seeds'?"),
    ({"fps": 24}, "fps", "did you mean 'motion.fps'?"),
    ({"experimnt": "x"}, "experimnt", "did you mean +experiment=NAME?"),
    ({"sampling": {"setps": 2}}, "sampling.setps", "did you mean 'steps'?"),
    ({"sampling": {"a.b": 2}}, "sampling.a.b", "unknown key (known: sampler, steps"),
    ({"loras": [{"name": "ink"}]}, "loras[0].name", "unknown key (known: path, weight, text"),
    ({"sampling": {"name": "Euler a"}}, "sampling.name", "name is a key of the top level)"),
    ({"motion": {"translation_z": 1}}, "motion.translation_z", "unknown key (use motion.zoom"),
    ({"int": 1}, "int", "unknown key"),
    ({"a[0]": 1}, "a[0]", "unknown key"),
    ({"": 1}, "", "unknown key"),
    ({"prompts": [{"txt": "a"}]}, "prompts[0].txt", "did you mean 'text'?"),
    ({"motion": {"zomm": 2}}, "motion.zomm", "did you mean 'zoom'?"),
    ({"model": {"kind": "fake", "fake": {"dealy": 1}}}, "model.fake.dealy", "did you mean 'delay'?"),
    ({"sampling": {1: 2}}, "sampling.1", "the key 1 is not text (quote it)"),
    ({None: 2}, "None", "the key null is not text"),
]
TYPES = [
    ({"sampling": {"steps": True}}, "sampling.steps", "true is not a whole number"),
    ({"sampling": {"steps": "24"}}, "sampling.steps", "'24' is not a whole number"),
    ({"sampling": {"steps": 24.0}}, "sampling.steps", "24.0 is not a whole number"),
    ({"sampling": {"steps": None}}, "sampling.steps", "null is not a whole number"),
    ({"sampling": {"steps": [1, 2]}}, "sampling.steps", "[1, 2] is not a whole number"),
    ({"sampling": {"steps": {"a": 1}}}, "sampling.steps", "is not a whole number"),
    ({"sampling": {"guidance": True}}, "sampling.guidance", "true is not a number"),
    ({"sampling": {"guidance": "6"}}, "sampling.guidance", "'6' is not a number"),
    ({"sampling": {"guidance": NAN}}, "sampling.guidance", "nan is not a finite number"),
    ({"sampling": {"guidance": INF}}, "sampling.guidance", "inf is not a finite number"),
    ({"sampling": {"sampler": 7}}, "sampling.sampler", "7 is not text (quote it)"),
    ({"sampling": {"guidance_interval": 0.5}}, "sampling.guidance_interval", "0.5 is not a list"),
    ({"sampling": {"guidance_interval": [0.5]}}, "sampling.guidance_interval", "[0.5] is too short"),
    ({"sampling": {"guidance_interval": [0, 1, 2]}}, "sampling.guidance_interval", "is longer than 2 values"),
    ({"sampling": {"guidance_interval": ["a", 1]}}, "sampling.guidance_interval[0]", "'a' is not a number"),
    *[({s: v}, s, "is not a mapping of keys") for s in ("sampling", "motion", "runtime", "shard") for v in NO_MAPPINGS],
    *[({s: v}, s, "is not a list") for s in ("prompts", "sweep", "skip") for v in (None, {"a": 1}, 5, "x")],
    *[({"canvas": v}, "canvas", "is not a list") for v in (None, {"a": 1})],
    ({"name": None}, "name", "null is not text"),
    ({"name": 7}, "name", "7 is not text (quote it)"),
    ({"negative": None}, "negative", "null is not text"),
    ({"negative": ["a"]}, "negative", "['a'] is not text"),
    ({"negative": datetime.date(2026, 1, 2)}, "negative", "2026-01-02 is a date (quote it)"),
    ({"prompts": [{1, 2}]}, "prompts[0]", "is a set"),
    ({"runtime": {"compile": "yes"}}, "runtime.compile", "'yes' is not true or false"),
    ({"runtime": {"threads": "4"}}, "runtime.threads", "'4' is not a whole number"),
    ({"shard": 3}, "shard", "3 is not a mapping of keys"),
    ({"sampling": {"steps": 10**40}}, "sampling.steps", "a number of 133 bits is too large"),
    ({"seeds": -(10**5000)}, "seeds", "bits is too large"),
]
RANGES = [
    ({"sampling": {"steps": 0}}, "sampling.steps", "0 is out of range 1–1000 (nearest is 1)"),
    ({"sampling": {"steps": 1001}}, "sampling.steps", "1001 is out of range 1–1000 (nearest is 1000)"),
    ({"sampling": {"guidance": 0.5}}, "sampling.guidance", "0.5 is out of range 1–30 (nearest is 1)"),
    ({"sampling": {"guidance_interval": [0.5, 0.2]}}, "sampling.guidance_interval", "0 ≤ from < to ≤ 1"),
    ({"sampling": {"sampler": "lcm", "steps": 200}}, "sampling.steps", "for sampler lcm"),
    ({"encoding": {"quality": 99}}, "encoding.quality", "99 is out of range 1–51 (nearest is 51)"),
    ({"runtime": {"rows": 0}}, "runtime.rows", "0 is out of range 1–512"),
    ({"shard": {"index": 5, "count": 3}}, "shard", "index 5 is out of range 0–2 (count is 3)"),
    ({"shard": {"index": -1}}, "shard.index", "-1 is out of range"),
    ({"model": {"kind": "fake", "native": 63}}, "model.native", "63 is out of range 64–4096"),
    ({"plan": {"limit": 0}}, "plan.limit", "0 is out of range"),
]
NAMES = [
    ({"sampling": {"sampler": "dpmpp2m"}}, "sampling.sampler", "did you mean 'dpmpp_2m'?"),
    ({"sampling": {"sampler": "DPM++ 2M Karras"}}, "sampling.sampler", "did you mean 'dpmpp_2m_karras'?"),
    ({"sampling": {"sampler": "Euler a"}}, "sampling.sampler", "did you mean 'euler_a'?"),
    *[
        ({"sampling": {"sampler": sampler.infotext}}, "sampling.sampler", f"did you mean {name!r}?")
        for name, sampler in SAMPLERS.items()
    ],
    ({"motion": {"mode": "2D"}}, "motion.mode", "; did you mean 'feedback' or 'zoom'?"),
    ({"encoding": {"codec": "mp4"}}, "encoding.codec", "; did you mean 'h264'?"),
    ({"sampling": {"sampler": ""}}, "sampling.sampler", "unknown sampler ''; allowed: ddim"),
    ({"motion": {"mode": "promt"}}, "motion.mode", "did you mean 'prompt'?"),
    ({"task": "rendr"}, "task", "unknown task 'rendr'; allowed: render, plan"),
    ({"runtime": {"device": "gpu"}}, "runtime.device", "allowed: auto, cuda, cuda:N, mps, cpu"),
    ({"runtime": {"dtype": "fp16"}}, "runtime.dtype", "did you mean 'float16'?"),
    ({"encoding": {"preset": "fst"}}, "encoding.preset", "did you mean 'fast'?"),
    ({"output": {"metadata": "non"}}, "output.metadata", "allowed: full, none (did you mean 'none'?)"),
    ({"model": {"kind": "tny"}}, "model.kind", "did you mean 'tiny'?"),
    *[
        ({"name": name}, "name", "is not a name (the name of a folder: a-z")
        for name in ("", "..", "../x", "a/b", "A", "a b", "ok\n", "😀", "x" * 65, "-x", "con:", "a\0")
    ],
    ({"prompts": [{"text": "a", "id": "a/b"}]}, "prompts[0].id", "'a/b' is not an id (letters, digits"),
    ({"output": {"folder": ""}}, "output.folder", "is empty"),
    ({"output": {"folder": "~nobody-here/x"}}, "output.folder", "there is no such user"),
    ({"output": {"folder": "a\0"}}, "output.folder", "is not a name of a file or folder"),
    ({"output": {"folder": "x" * 300}}, "output.folder", "is not a name of a file or folder"),
]
SEEDS = [
    *[
        ({"seeds": v}, "seeds", "is not a seed; write 7, [1, 5, 9], 0..3 or random*4")
        for v in (True, None, 1.5, "7", "", "0...3", "range(0,3)")
    ],
    *[({"seeds": [1, v]}, "seeds", "is not a seed; write") for v in (None, [2], {"a": 1}, "x", False)],
    ({"seeds": []}, "seeds", "no seeds; write 7, [1, 5, 9], 0..3 or random*4"),
    ({"seeds": -1}, "seeds", "-1 is out of range 0–9223372036854775807"),
    ({"seeds": -1}, "seeds", "for a random seed, -1 in other programs, write random"),
    ({"seeds": 2**63}, "seeds", "is out of range 0–9223372036854775807"),
    ({"seeds": "5..1"}, "seeds", "a range goes from low to high"),
    ({"seeds": "0..4..0"}, "seeds", "with a positive step"),
    ({"seeds": "0.5..3"}, "seeds", "numbers that are not whole"),
    ({"seeds": "0..99999999999999"}, "seeds", "100,000,000,000,000 values, more than 10,000,000"),
    ({"seeds": [1.5, 2, -1]}, "seeds", "1.5 is not a seed, -1 is out of range 0–9223372036854775807; write 7"),
    ({"seeds": "9" * 5000 + "..1"}, "seeds", "is not a seed"),
    ({"seeds": ["0..9999999"] * 30}, "seeds", "300,000,000 seeds; at most 10,000,000 are allowed"),
]
CANVAS = [
    ({"canvas": 969}, "canvas[0]", '969 is a number; quote the ratio: "16:9"'),
    ({"canvas": [969]}, "canvas[0]", '969 is a number; quote the ratio: "16:9"'),
    ({"canvas": [556]}, "canvas[0]", 'quote the ratio: "9:16"'),
    ({"canvas": [640, 360]}, "canvas[1]", '360 is a number; write "16:9" or 640x360'),
    ({"canvas": [True]}, "canvas[0]", "true is neither a ratio nor a size"),
    ({"canvas": [None]}, "canvas[0]", "null is neither a ratio nor a size"),
    ({"canvas": [["16:9"]]}, "canvas[0]", "is neither a ratio nor a size"),
    ({"canvas": ["17:9"]}, "canvas[0]", "'17:9' is neither a ratio (1:1, 3:4"),
    ({"canvas": ["169"]}, "canvas[0]", "did you mean '16:9'?"),
    ({"canvas": ["16x9"]}, "canvas[0]", "sides are 16–8192 pixels"),
    ({"canvas": ["9999x100"]}, "canvas[0]", "sides are 16–8192 pixels"),
    ({"canvas": []}, "canvas", "is empty"),
]
PROMPTS = [
    ({"prompts": []}, "prompts", "is empty (write at least one prompt,"),
    ({"prompts": ["a", "  "]}, "prompts[1]", "expands to an empty prompt"),
    ({"prompts": [1]}, "prompts[0]", "1 is not text; quote the prompt"),
    ({"prompts": [None]}, "prompts[0]", "null is not a prompt; write a text or {id, text, negative}"),
    ({"prompts": [["a"]]}, "prompts[0]", "['a'] is not a prompt"),
    ({"prompts": [{}]}, "prompts[0]", "give text or file, one of them"),
    ({"prompts": [{"text": "a", "file": "b.txt"}]}, "prompts[0]", "give text or file, one of them"),
    ({"prompts": [{"text": 5}]}, "prompts[0].text", "5 is not text (quote it)"),
    ({"prompts": ["x" * 100_001]}, "prompts[0].text", "is longer than 100,000 characters"),
    ({"prompts": ["{a|b}" * 30]}, "prompts[0]", "more than 10,000 variants"),
    ({"prompts": ["{3$$a|b}"]}, "prompts[0]", 'column 1, "<here>{3$$a|b}": asks for 3 of 2 alternatives'),
    ({"prompts": ["a {1-9$$b|c} d"]}, "prompts[0]", 'column 3, "a <here>{1-9$$b|c} d": asks for 9 of 2'),
    ({"prompts": ["{3-2$$a|b|c}"]}, "prompts[0]", "the range 3-2 is empty"),
    ({"prompts": ["{$$a|b}"]}, "prompts[0]", "a number is missing before $$"),
    ({"prompts": ["{999999$$a|b}"]}, "prompts[0]", "asks for 999999 of 2 alternatives"),
    ({"prompts": ["{-0.5::a|b}"]}, "prompts[0]", "the weight -0.5 is negative"),
    ({"prompts": ["{~0::a|0::b}"]}, "prompts[0]", "every weight is 0"),
    ({"prompts": ["{~4$$a|b|0::c}"]}, "prompts[0]", "asks for 4 of 2 alternatives"),
    ({"prompts": ["a __nowhere__"]}, "prompts[0]", 'column 3, "a <here>__nowhere__": a wildcard needs the folder'),
    ({"prompts": ["{x|{2$$__nowhere/*__}}"]}, "prompts[0]", "a wildcard needs the folder 'wildcards'"),
    ({"prompts": [{"text": "{~a|b}", "draws": 0}]}, "prompts[0].draws", "0 is out of range 1–10000"),
    ({"prompts": ["a"], "wildcards": {"folder": ""}}, "wildcards.folder", "is empty"),
    ({"prompts": ["a"], "wildcards": {"seed": -1}}, "wildcards.seed", "-1 is out of range"),
    ({"prompts": ["a"], "wildcards": "colours"}, "wildcards", "is not a mapping of keys"),
    ({"prompts": ["a"], "styles": {"use": ["film"]}}, "styles.file", "is missing"),
    ({"prompts": ["a"], "styles": {"file": "none.csv", "use": "film"}}, "styles.file", "cannot be read"),
    ({"sweep": [{"styles.use": ["a"]}]}, "styles.file", "is missing"),
    (
        {"sweep": [{"styles.file": ["a"]}]},
        "sweep[0].styles.file",
        "cannot be swept because it changes the prompts (use",
    ),
    ({"studio": {"hosts": [""]}}, "studio.hosts[0]", "'' is not a name of a machine"),
    ({"sweep": [{"wildcards.seed": [1]}]}, "sweep[0].wildcards.seed", "cannot be swept because it changes the prompts"),
    ({"prompts": ["a"], "styles": {"use": [1]}}, "styles.use[0]", "1 is not text"),
    ({"prompts": ["{" + "a|b" * 5000 + "}" * 3 + "{a|b}" * 9]}, "prompts[0]", "more than 10,000 variants"),
    ({"prompts": ["a\ud800"]}, "prompts[0]", "contains bytes that are not UTF-8 text"),
    ({"prompts": [{"file": "none.txt"}]}, "prompts[0].file", "'none.txt' cannot be read: No such file"),
    ({"prompts": [{"file": "none"}]}, "prompts[0].file", "is not a .yaml, .yml, .csv, .txt file"),
    ({"prompts": [{"file": ""}]}, "prompts[0].file", "is not a .yaml"),
    ({"prompts": [{"file": "a\0.txt"}]}, "prompts[0].file", "cannot be read: embedded null byte"),
    ({"prompts": [{"file": "~nobody-here/a.txt"}]}, "prompts[0].file", "cannot be read"),
    ({"prompts": [{"file": "x" * 3000 + ".txt"}]}, "prompts[0].file", "cannot be read: File name too long"),
]
VIDEOS = [
    ({"motion": {"mode": "prompt"}}, "motion.seconds", "needs a length; give seconds or frames"),
    (video(seconds=2), "motion.frames", "in conflict; give one of them"),
    (video(frames=1), "motion.frames", "1 is out of range 2–100000"),
    (video(frames=None, seconds=0.01), "motion.seconds", "0 frames are out of range"),
    (video(frames=None, seconds=0), "motion.seconds", "0 is out of range 0–3600, 0 excluded (write more than 0)"),
    (video(frames=None, seconds=3600, fps=240), "motion.seconds", "864000 frames are out of range"),
    (video(frames=2.0), "motion.frames", "2.0 is not a whole number"),
    (video(fps=0), "motion.fps", "0 is out of range 1–240"),
    *[
        (video(fps=v), "motion.fps", "is not a frame rate; write 24, 23.976 or 24000/1001")
        for v in ("x", True, "1/0", [24], "1e999999999", "9" * 5000)
    ],
    (video(phrase="{foo}"), "motion.phrase", "unknown variable {foo}; allowed: t, frame, zoom"),
    *[
        (video(phrase=p), "motion.phrase", "unknown variable")
        for p in ("{}", "{0}", "{zoom.__class__}", "{zoom[0]}", "{zoom!r}", "{a|b}", "{Zoom}")
    ],
    *[
        (video(phrase=p), "motion.phrase", "is not a number format; for example write")
        for p in ("{t:>9999999999}", "{t:.}", "{frame:.2}", "{t:.2f\n}", "{t:.999f}", "{t:x}", "{t:٣}")
    ],
    (video(phrase="x" * 1001), "motion.phrase", "is longer than 1,000 characters"),
    (video(zoom="x"), "motion.zoom", "'x' is not a schedule; write a number or a list"),
    (video(zoom=[]), "motion.zoom", "is not a schedule"),
    (video(zoom=True), "motion.zoom", "true is not a schedule"),
    (video(zoom={"0": 1}), "motion.zoom", "is a mapping; a schedule is a list: [[0, 1]]"),
    (video(zoom={0: 1, "50%": 2}), "motion.zoom", "is a mapping; a schedule is a list: [[0, 1], [50%, 2]]"),
    (video(zoom=[{0: 1, 2: 2}]), "motion.zoom", "is a mapping; a schedule is a list: [[0, 1], [2, 2]]"),
    (video(zoom=[0, 1]), "motion.zoom", "0 is not a keyframe; write [time, value]"),
    (video(zoom=0), "motion.zoom", "0 is out of range 0.001–10000"),
    (video(zoom=[[0, None]]), "motion.zoom", "null in [0, None] is not a number"),
    (video(zoom=[[2, 1], [1, 2]]), "motion.zoom", "times must increase"),
    (
        video(zoom=[[0, 1], [3, 2]]),
        "motion.zoom",
        "3 is beyond the end (frame 2, 0.125s); write end for the last frame, or frames: 4",
    ),
    (video(zoom=[[0, 1], ["9s", 2]]), "motion.zoom", "write end for the last frame, or seconds: 9 for a longer video"),
    (video(zoom=[[0, 1], ["ende", 2]]), "motion.zoom", "'ende' is not a time"),
    (video(zoom=[[-1, 1]]), "motion.zoom", "-1 is not a time"),
    (video(zoom=[[0, 1], ["end", 2, "in_out_sin"]]), "motion.zoom", "did you mean 'in_out_sine'?"),
    (video(zoom=10**400), "motion.zoom", "bits is too large"),
]
SWEEPS = [
    (sweep({}), "sweep[0]", "is empty (for example write {sampling.steps: [12, 24]})"),
    (sweep([]), "sweep[0]", "[] is not a mapping"),
    *[
        (sweep({"sampling.steps": v}), "sweep[0].sampling.steps", "is not a list of values (for example write")
        for v in NO_VALUES
    ],
    (sweep({"sampling.stps": [1]}), "sweep[0].sampling.stps", "did you mean 'sampling.steps'?"),
    (sweep({"steps": [1]}), "sweep[0].steps", "did you mean 'sampling.steps'?"),
    (sweep({"sampling": [{"steps": 1}]}), "sweep[0].sampling", "did you mean 'sampling.sampler'?"),
    *[
        (sweep({key: [1, 2]}), f"sweep[0].{key}", "cannot be swept")
        for key in (
            "runtime.rows",
            "output.folder",
            "model",
            "model.path",
            "shard.index",
            "name",
            "task",
            "plan.limit",
            "sweep",
        )
    ],
    (sweep({"sampling.steps": [12, 0, 5000]}), "sweep[0].sampling.steps", "0 is out of range 1–1000"),
    (sweep({"sampling.steps": [12, True]}), "sweep[0].sampling.steps", "true is not a whole number"),
    (sweep({"sampling.sampler": ["ddim", "eulr"]}), "sweep[0].sampling.sampler", "did you mean 'euler'?"),
    (sweep({"sampling.steps": [12, 200]}, sampling={"sampler": "lcm"}), "sampling.steps", "for sampler lcm"),
    (sweep({"sampling.guidance": "1..30..0.00001"}), "sweep[0].sampling.guidance", "more than 100,000"),
    (
        sweep({"sampling.steps": [12, 24], "sampling.guidance": [4]}),
        "sweep[0]",
        "lists in one entry differ in length: sampling.steps has 2, sampling.guidance has 1",
    ),
    (sweep({"cfg_scale": [4]}), "sweep[0].cfg_scale", "unknown key (use sampling.guidance)"),
    (sweep({"sampling.cfg": [4]}), "sweep[0].sampling.cfg", "unknown key (use sampling.guidance)"),
    (sweep({"seeds": [1, 2]}, {"seeds": [3]}), "sweep[1].seeds", "is swept twice"),
    (sweep({"seeds": [1, 2]}, seeds=[1, 2]), "sweep[0].seeds", "is already an axis: seeds has 2 values"),
    (sweep({"prompts": ["a", "b"]}, prompts=["x", "y"]), "sweep[0].prompts", "is already an axis"),
    (sweep({"canvas": ["1:1", 969]}), "sweep[0].canvas[1]", 'quote the ratio: "16:9"'),
    (sweep({"canvas": [None]}), "sweep[0].canvas[0]", "null is neither a ratio nor a size"),
    (sweep({"seeds": [[1, 2]]}), "sweep[0].seeds", "[1, 2] is not a seed"),
    (sweep({"prompts": ["a", 5]}), "sweep[0].prompts[1]", "5 is not text; quote the prompt"),
    (sweep({"prompts": [{"file": "no.txt"}]}), "sweep[0].prompts[0].file", "cannot be read"),
    (sweep({"negative": ["a", None]}), "sweep[0].negative", "null is not text"),
    (sweep({"motion.mode": ["still", ["x"]]}), "sweep[0].motion.mode", "is not text"),
    (sweep({"motion.mode": ["still", "prompt"]}), "motion.seconds", "needs a length"),
    (sweep({"motion.seconds": [1, 2]}, motion=VIDEO), "motion.frames", "in conflict"),
    (sweep({"motion.phrase": ["{bad}"]}, motion=VIDEO), "sweep[0].motion.phrase", "unknown variable {bad}"),
]
SKIPS = [
    ({"skip": [{}]}, "skip[0]", "is empty (for example write {sampling.steps: 12})"),
    ({"skip": [5]}, "skip[0]", "5 is not a mapping"),
    (
        {"skip": [{"sampling.steps": 12}]},
        "skip[0].sampling.steps",
        "is not an axis of this experiment (axes are prompts",
    ),
    ({"skip": [{"seed": 0}]}, "skip[0].seed", "did you mean 'seeds'?"),
    ({"skip": [{"seeds": 7}], "seeds": "0..1"}, "skip[0].seeds", "7 matches no value (values are 0, 1)"),
    ({"skip": [{"seeds": False}], "seeds": "0..1"}, "skip[0].seeds", "false matches no value"),
    ({"skip": [{"seeds": [0, 7]}], "seeds": "0..1"}, "skip[0].seeds", "7 matches no value"),
    ({"skip": [{"seeds": "0..1"}], "seeds": "0..1"}, "skip", "the rules skip every job"),
]
MODELS = [
    ({"model": {"kind": "local"}}, "model.path", "is missing (model=local needs"),
    (
        {"model": {"kind": "local", "path": "/nowhere"}},
        "model.path",
        "'/nowhere' does not exist (model=small is built in",
    ),
    (
        {"model": {"path": "x.safetensors"}},
        "model.path",
        "would be ignored: model.kind is small, not local (add model=local)",
    ),
    ({"model": {"repo": "a/b"}}, "model.repo", "would be ignored: model.kind is small, not hub"),
    ({"model": {"kind": "local", "path": "x.ckpt"}}, "model.path", "is a pickle file, which can run code"),
    ({"model": {"kind": "local", "path": "~nobody-here/x"}}, "model.path", "cannot be read"),
    ({"model": {"kind": "local", "path": "x" * 3000}}, "model.path", "cannot be read: File name too long"),
    ({"model": {"kind": "local", "path": "a\0"}}, "model.path", "does not exist"),
    ({"model": {"kind": "hub"}}, "model.revision", "is missing (a hub model needs model.repo and the commit"),
    (
        {"model": {"kind": "hub", "repo": "a/b", "revision": "main"}},
        "model.revision",
        "'main' is not a commit (40 hex digits",
    ),
    *[
        (
            {"model": {"kind": "hub", "repo": r, "revision": "0" * 40}},
            "model.repo",
            "is not a repository (write owner/name)",
        )
        for r in ("", "a@b", "../etc", "a/b/c", "https://x.y/z")
    ],
    ({"model": {"kind": "fake", "vae": "x"}}, "model.vae", "'x' is neither a diffusers folder nor a .safetensors file"),
]
TABLE = [*UNKNOWN, *TYPES, *RANGES, *NAMES, *SEEDS, *CANVAS, *PROMPTS, *VIDEOS, *SWEEPS, *SKIPS, *MODELS]


def scalar(data: Any, key: str) -> list[Any]:
    """[what ``data`` says at the dotted ``key``] if that is a number, a word or null; else nothing."""
    for part in re.findall(r"\w+", key):
        try:
            data = data[int(part) if part.isdigit() else part]
        except (KeyError, IndexError, TypeError):
            return []
    return [data] if data is None or (data != "" and isinstance(data, str | int | float)) else []


def _name(row: object) -> str:
    return shown(row)


@pytest.mark.parametrize(("data", "key", "words"), TABLE, ids=_name)
def test_the_message_names_the_key_and_what_to_do(data, key, words):
    found = problems(data)
    assert key in [p.key for p in found]
    assert words in "\n".join(f"{p.message} ({p.hint})" for p in found if p.key == key)
    assert all(len(p.message) < 400 for p in found)
    assert not any(word in p.message for p in found for word in ("pydantic", "NoneType", "tuple", "dict"))


VALUES = [(data, key) for data, key, _ in [*RANGES, *NAMES, *CANVAS, *MODELS] if scalar(data, key)]


@pytest.mark.parametrize(("data", "key"), VALUES, ids=_name)
def test_the_message_names_a_value_that_is_not_allowed(data, key):
    (value,) = scalar(data, key)
    assert any(shown(value) in p.message for p in problems(data) if p.key == key)


def test_all_mistakes_are_found_at_once():
    data = {
        "name": "A",
        "task": "x",
        "seeds": -1,
        "canvas": [969],
        "sampling": {"steps": 0, "foo": 1},
        "motion": {"mode": "x"},
        "runtime": {"device": "gpu"},
        "sweep": 5,
        "bar": 2,
    }
    keys = [p.key for p in problems(data)]
    assert sorted(keys) == sorted(
        [
            "name",
            "task",
            "seeds",
            "canvas[0]",
            "sampling.steps",
            "sampling.foo",
            "motion.mode",
            "runtime.device",
            "sweep",
            "bar",
        ]
    )


def test_all_mistakes_of_a_sweep_are_found_at_once():
    bad = sweep(
        {"sampling.steps": [0], "sampling.sampler": ["x"]}, {"seeds": []}, {"runtime.rows": [1]}, {"seeds": "0..3"}
    )
    assert len(problems(bad)) == 4


def test_prompts_and_model_are_checked_together():
    bad = {"prompts": ["", {"file": "no.txt"}], "model": {"kind": "local", "path": "/nowhere"}}
    assert [p.key for p in problems(bad)] == ["prompts[0]", "prompts[1].file", "model.path"]


FILES = [
    ("p.yaml", b"- a\n- 5\n- {txt: b}\n", ["'p.yaml', [1]: 5 is not text", "'p.yaml', [2].txt: unknown key"]),
    ("p.yaml", b"- {text: a, text: b}\n", ["is not YAML: line 1: duplicate key text"]),
    ("p.yaml", b"a: [b\n", ["is not YAML: line 2:"]),
    ("p.yaml", b"\t- a\n", ["is not YAML: line 1: a tab; indent with spaces"]),
    ("p.yaml", b"- 2026-99-99\n", ["is not YAML: month must be"]),
    ("p.yaml", b"- !!python/object/apply:os.system [x]\n", ["is not YAML: line 1: could not determine a constructor"]),
    ("p.yaml", b"[" * 100_000, ["is not YAML: nested more than 50 deep"]),
    ("p.yaml", b"&a [*a]", ["is not YAML: nested more than 50 deep"]),
    ("p.yaml", b"a sea\n", ["is not a list of prompts"]),
    ("p.yaml", b"", ["is not a list of prompts"]),
    ("p.yaml", b"[]", ["contains no prompt"]),
    ("p.yaml", b"- {file: other.yaml}\n", ["refers to another file"]),
    ("p.txt", b"# nothing\n", ["contains no prompt"]),
    ("p.txt", b"caf\xe9\n", ["cannot be read: it is not UTF-8 text"]),
    ("p.csv", b"prompt\na\n", ["unknown column 'prompt' (did you mean 'text'?)"]),
    ("p.csv", b"id,text,negativ\n1,a,b\n", ["unknown column 'negativ' (did you mean 'negative'?)"]),
    ("p.csv", b"id,text,weight\n1,a,2\n", ["unknown column 'weight' (known: id, text, negative)"]),
    ("p.csv", b"id,negative\n1,a\n", ["has no column named text"]),
    ("p.csv", b"text,text\n1,a\n", ["has a column twice"]),
    ("p.csv", b"id,text\nsea,a sea, by night\n", ["line 2: 3 values for 2 columns"]),
    ("p.csv", b'id;text\n\nsea;"a\nsea"\nhill;\n', ["line 5: the text is empty"]),
    ("p.csv", b"text\n" + b'"' + b"x" * 200_000 + b'"\n', ["is not CSV: line 2: field larger than field limit"]),
    ("p.csv", b"id,text\na b,c\n", ["'a b' is not an id"]),
    ("p.csv", b"id,text\na,\n", ["line 2: the text is empty"]),
]


@pytest.mark.parametrize(("name", "content", "words"), FILES, ids=_name)
def test_prompt_files_that_are_wrong_are_named(tmp_path, monkeypatch, name, content, words):
    (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    found = "\n".join(map(str, problems(prompts=[{"file": name}])))
    assert found.startswith("prompts[0]")
    assert [w for w in words if w not in found] == []


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    (tmp_path / "p.yaml").write_text("\n".join(lines), "utf-8")
    (problem,) = problems(prompts=[{"file": str(tmp_path / "p.yaml")}])
    assert "more than 1,000,000 values" in problem.message


DATA = [
    "${x} ${oc.env:HOME}",
    "???",
    "a 'b' \"c\"",
    "a\nb",
    "../../etc/passwd",
    "😀 日本",
    "$(id) `id`; rm",
    "x " * 5_000,
    "%s {0}",
]


@pytest.mark.parametrize("text", DATA, ids=_name)
def test_strange_prompts_are_data(text):
    (job,) = planned(prompts=[text], negative=text)
    assert (job.shot.prompt, job.shot.negative) == (text, text)
    assert set(job.path.removeprefix("images/").removesuffix(".png")) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(job.path) < 100
