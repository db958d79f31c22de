"""Ids decide what is rendered again: these are pinned. If one changes, every finished picture is rendered again.

A wanted change of what an id hashes needs a new SPEC_VERSION, a line in CHANGELOG.md and new pins here.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields, replace
from fractions import Fraction

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sdbatch import motion
from sdbatch.motion.schedule import Key
from sdbatch.motion.settings import Motion
from sdbatch.samplers import SAMPLERS, NoiseSchedule
from sdbatch.spec.canonical import digest, spec
from sdbatch.spec.jobs import Encoding, Layer, Model, PromptBlend, Shot, ids_by_seed
from sdbatch.spec.start import Camera, Start
from tests.config.building import VIDEO, planned

SHOT = Shot(Model("b2:0123456789abcdef"), "a red boat", "clouds", 7, 640, 360, "dpmpp_2m_karras", 24, 6.0)
ZOOM = (Key(0, 1.0), Key("end", 2.0, "in_out_sine"))
PINNED = {
    "still": (SHOT, Motion(), Encoding()),
    "sampler": (replace(SHOT, sampler="euler_a"), Motion(), Encoding()),
    "interval": (replace(SHOT, guidance_interval=(0.2, 0.8)), Motion(), Encoding()),
    "weights": (
        replace(SHOT, model=Model("r@1", NoiseSchedule(prediction="v_prediction"), clip_skip=2)),
        Motion(),
        Encoding(),
    ),
    "toward": (replace(SHOT, toward=PromptBlend("a blue boat", "", 8, 0.25)), Motion(), Encoding()),
    "start": (replace(SHOT, start=Start("j0", 0.5, Camera(zoom=1.5), paint=True)), Motion(), Encoding()),
    "film": (SHOT, Motion(mode="prompt", frames=5, phrase="zoom {zoom:.2f}", zoom=ZOOM), Encoding()),
    "encoding": (
        SHOT,
        Motion(mode="prompt", frames=5, fps=Fraction(30000, 1001), phrase="{t:.1f}"),
        Encoding(quality=23),
    ),
}
IDS = {
    "still": "j946260d70e8e83d0",
    "sampler": "j46d45d33a0088de3",
    "interval": "j67b061af5f2ae5cc",
    "weights": "j8f1d040c8a119760",
    "toward": "jd8bbfc1cb49cc869",
    "start": "j116097a7356d1d90",
    "film": "j86a65e17848dcba5",
    "encoding": "j1b7d7db429e741a4",
}
SPECS = {name: replace(SHOT, sampler=name).spec() for name in SAMPLERS}


LITERAL = {  # every default that an id leaves out: another one would make old files something else under the same id
    Encoding: ("h264", 18, "veryfast", 1, 1),
    Camera: (1.0, 0.0, 0.0, 0.0),
    Layer: (0, Camera(1.0, 0.0, 0.0, 0.0), 1.0, 0.0),
    Model: (
        "b2:0123456789abcdef",
        NoiseSchedule("scaled_linear", 0.00085, 0.012, 1000, "epsilon", 1, False),
        4,
        8,
        1,
        "",
        (),
    ),
    Start: ("j0", 0.5, Camera(1.0, 0.0, 0.0, 0.0), False, "", None),
    PromptBlend: ("a sea", "", 8, 0.25, None),
}


@pytest.mark.parametrize("kind", LITERAL, ids=lambda kind: kind.__name__)
def test_defaults_that_ids_leave_out_are_what_they_were(kind):
    values = LITERAL[kind]
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    assert kind(*values) == kind(*values[: len(needed)])


@pytest.mark.parametrize("name", ["film", "encoding"])
def test_an_encoding_written_out_has_the_id_of_the_defaults(name):
    shot, moves, encoding = PINNED[name]
    written = Encoding(codec="h264", quality=encoding.quality, preset="veryfast", supersample=1, interpolate=1)
    assert motion.make(shot, moves, written).id == IDS[name]


def test_a_video_of_an_experiment_has_the_id_that_it_had():
    """Through the configuration: its defaults and the job's are the same."""
    written = {"codec": "h264", "quality": 18, "preset": "veryfast", "supersample": 1, "interpolate": 1}
    for data in ({}, {"encoding": written}):
        assert planned(motion=VIDEO, **data).ids == ["je168be8f1f73d7ef"]


@pytest.mark.parametrize("name", PINNED)
def test_ids_are_what_they_were(name):
    assert motion.make(*PINNED[name]).id == IDS[name]


def test_a_still_is_its_shot():
    job = motion.make(SHOT, Motion(), Encoding())
    assert [job.id] == [s.id for s in motion.shots(job)]


def test_a_frame_of_a_prompt_video_is_the_picture_of_that_prompt():
    video = motion.make(SHOT, Motion(mode="prompt", frames=3, phrase="frame {frame}"), Encoding())
    alone = motion.make(replace(SHOT, prompt="a red boat, frame 1"), Motion(), Encoding())
    assert motion.shots(video)[1].id == alone.id


@pytest.mark.parametrize("change", ["prompt", "negative", "seed", "width", "height", "sampler", "steps", "guidance"])
def test_everything_that_decides_the_pixels_is_in_the_id(change):
    other = {"sampler": "ddim"}.get(change, getattr(SHOT, change) * 2)
    assert replace(SHOT, **{change: other}).id != SHOT.id


@pytest.mark.parametrize(
    "how",
    [
        {"name": "other"},
        {"runtime": {"device": "cpu", "dtype": "bfloat16", "rows": 8, "threads": 1, "compile": True, "exact": False}},
        {"output": {"folder": "elsewhere", "metadata": "none"}},
        {"shard": {"index": 1, "count": 3}},
        {"retry": "profile"},
        {"model": {"kind": "fake", "fake": {"delay": 1.0}}},
        {"prompts": [{"id": "named", "text": "a sea"}]},
    ],
    ids=str,
)
def test_how_and_where_are_not_in_ids(how):
    assert planned(**how).ids == planned().ids


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"sampling": {"guidance": 6}}, {"sampling": {"guidance": 6.0}}),
        ({"sampling": {"steps": 24, "guidance": 5}}, {"sampling": {"guidance": 5, "steps": 24}}),
        ({"sampling": {"guidance_interval": [0, 1]}}, {}),
        ({"sampling": {"sampler": "dpmpp_2m_karras"}, "negative": ""}, {}),
        ({"sampling": {"guidance": 4}}, {"sweep": [{"sampling.guidance": [4]}]}),
        ({"motion": VIDEO | {"zoom": 1}}, {"motion": VIDEO | {"zoom": [[0, 1.0]]}}),
        ({"motion": VIDEO | {"fps": 24}}, {"motion": VIDEO | {"fps": "24/1"}}),
        ({"motion": VIDEO | {"frames": None, "seconds": 0.125}}, {"motion": VIDEO}),
        ({"motion": VIDEO, "encoding": {"quality": 18}}, {"motion": VIDEO}),
    ],
    ids=str,
)
def test_the_same_settings_have_the_same_id(one, other):
    assert planned(**one).ids == planned(**other).ids


def test_numbers_and_defaults_are_normalised():
    assert json.dumps(spec(Camera(zoom=2))) == json.dumps(spec(Camera(zoom=2.0))) == '{"zoom": 2.0}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_new_field_of_samplers_would_rename_no_job(name):
    """Fields at their defaults are left out."""
    sampler = SAMPLERS[name]
    assert all(
        value != type(sampler).__dataclass_fields__[key].default for key, value in SPECS[name]["sampler"].items()
    )


def test_samplers_have_ids_of_their_own():
    assert len({digest(s) for s in SPECS.values()}) == len(SAMPLERS)


@given(st.text())
def test_ids_survive_yaml(text):
    """Bare hex such as 123e4567 would come back as a number."""
    job_id = replace(SHOT, prompt=text).id
    assert re.fullmatch(r"j[0-9a-f]{16}", job_id)
    assert yaml.safe_load(f"[{job_id}]") == [job_id]


@given(st.text(max_size=30), st.text(max_size=30), st.lists(st.integers(0, 2**63 - 1), min_size=1), st.booleans())
def test_ids_of_many_seeds_are_those_of_the_shots(prompt, negative, seeds, blended) -> None:
    """Whatever the texts hold, also what looks like the place of the seed."""
    toward = PromptBlend('"seed":"?"', prompt, 3, 0.5) if blended else None
    shot = replace(SHOT, prompt=prompt + '","seed":"?"', negative='"seed":"?"' + negative, toward=toward)
    assert list(ids_by_seed(shot, seeds)) == [replace(shot, seed=seed).id for seed in seeds]
    assert [shot.with_seed(seed) for seed in seeds] == [replace(shot, seed=seed) for seed in seeds]
