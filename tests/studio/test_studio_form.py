"""What the form holds becomes keys of an experiment, and the file that is written says exactly that."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import sdbatch
from sdbatch.config.experiment import schema
from sdbatch.config.yaml_reader import load
from sdbatch.errors import ConfigError, Problem
from sdbatch.plan.plan import Plan
from sdbatch.plan.resolve import resolve
from sdbatch.studio import describe, yaml_text
from sdbatch.studio.check import Checks
from sdbatch.studio.form import Form, field_of, problems, settings
from sdbatch.studio.workspace import TEXTS as FILES
from sdbatch.studio.workspace import WEIGHTS, Workspace
from tests.studio.sessions import form


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SDBATCH_MODEL", raising=False)
    return Workspace("experiments", "outputs")


def keys(**fields):
    return settings(Form(**form(**fields))).data


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"sampling__steps": "30"}, {"sampling": {"steps": 30}}),
        ({"sampling__steps": 30}, {"sampling": {"steps": 30}}),
        ({"sampling__steps": " "}, {}),
        ({"sampling__steps": None}, {}),
        ({"sampling__guidance": "7.5"}, {"sampling": {"guidance": 7.5}}),
        ({"sampling__guidance": "5, 7.5"}, {"sweep": [{"sampling.guidance": [5, 7.5]}]}),
        ({"sampling__guidance": "5,"}, {"sampling": {"guidance": 5}}),
        ({"sampling__steps": "10..50..10"}, {"sweep": [{"sampling.steps": "10..50..10"}]}),
        ({"sampling__sampler": ["ddim", "heun"]}, {"sweep": [{"sampling.sampler": ["ddim", "heun"]}]}),
        ({"sampling__guidance_interval": "0.25, 0.75"}, {"sampling": {"guidance_interval": [0.25, 0.75]}}),
        ({"seeds": "7"}, {"seeds": 7}),
        ({"seeds": "1, 5"}, {"seeds": [1, 5]}),
        ({"seeds": "0..3"}, {"seeds": "0..3"}),
        ({"seeds": "random*4"}, {"seeds": "random*4"}),
        ({"canvas": "16:9, 640x360"}, {"canvas": ["16:9", "640x360"]}),
        ({"negative": "a, b"}, {"negative": "a, b"}),
        ({"negative": ["a, b", "c"]}, {"sweep": [{"negative": ["a, b", "c"]}]}),
        ({"runtime__exact": "false"}, {"runtime": {"exact": False}}),
        ({"styles__use": "one, two"}, {"styles": {"use": ["one", "two"]}}),
        (
            {"sampling__steps": "5, 6", "sweep": "[{sampling.guidance: [2, 3]}]"},
            {"sweep": [{"sampling.steps": [5, 6]}, {"sampling.guidance": [2, 3]}]},
        ),
        ({"motion__seconds": "3"}, {}),  # of a picture
    ],
)
def test_typed_texts_become_keys(fields, data):
    assert keys(prompts="x", **fields) == {"prompts": ["x"], "name": "x", **data}


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("1.5", 1.5),
        ("[[0, 1], [end, 4, ramp]]", [[0, 1], ["end", 4, "ramp"]]),
        ("{wave: sin, period: 2s}", {"wave": "sin", "period": "2s"}),
        ("0:(1), 30:(2)", "0:(1), 30:(2)"),
        ([[0, 1], ["end", 2]], [[0, 1], ["end", 2]]),
    ],
)
def test_schedules_are_typed_as_in_yaml(typed, value):
    assert keys(kind="film", prompts="x", motion__zoom=typed)["motion"] == {"zoom": value}


def test_pictures_are_neither_swept_over_nor_skipped_by_keys_of_films():
    sweep = [{"motion.mode": ["still", "zoom"]}, {"motion.fps": [8, 9], "sampling.steps": [4, 5]}]
    fields = {"sweep": sweep, "skip": [{"motion.mode": "zoom", "seeds": "1..3"}, {"seeds": 2}]}
    pictures, films = (settings(Form(kind=kind, fields=fields)).data for kind in ("picture", "film"))
    assert pictures["sweep"] == [{"sampling.steps": [4, 5]}]
    assert pictures["skip"] == [{"seeds": 2}]
    assert (films["sweep"], films["skip"]) == (sweep, fields["skip"])


def test_prompts_can_be_texts_and_mappings():
    entries = ["a", "", {"text": " "}, {"id": "b", "text": "b, c"}, {"file": "prompts.csv"}]
    assert keys(prompts=entries)["prompts"] == ["a", {"id": "b", "text": "b, c"}, {"file": "prompts.csv"}]


def test_unknown_fields_and_unreadable_texts_are_reported_at_once():
    with pytest.raises(ConfigError) as e:
        keys(prompts="x", task="submit", output__folder="/", sweep="[")
    assert [p.key for p in e.value.problems] == ["task", "output.folder", "sweep"]


@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        ({"sampling__steps": "0"}, "sampling.steps", "0 is out of range 1"),
        ({"sampling__steps": "10, 0"}, "sampling.steps", "0 is out of range"),
        ({"sampling__sampler": "euler_b"}, "sampling.sampler", "did you mean 'euler_a'"),
        ({"canvas": "16:9, 5"}, "canvas", "[1]: "),
        ({"seeds": "x"}, "seeds", "is not a seed"),
        ({"sweep": "[{sampling.step: [1, 2]}]"}, "sweep", "[0].sampling.step: "),
        ({"sampling__steps": "10, 20", "sweep": "[{sampling.step: [1, 2]}]"}, "sweep", "[0].sampling.step: "),
        ({"prompts": ""}, "prompts", "is empty"),
        ({"prompts": {"file": "/etc/passwd"}}, "prompts", "is outside the working folder"),
        ({"wildcards__folder": ".."}, "wildcards.folder", "is outside the working folder"),
        ({"kind": "film", "encoding__audio": "/etc/hosts"}, "encoding.audio", "is outside the working folder"),
        ({"sweep": "[{prompts: [{file: ../x.csv}]}]", "prompts": ""}, "sweep", "is outside the working folder"),
        ({"kind": "film", "init__video": "/etc/hosts"}, "init.video", "is outside the working folder"),
        ({"sweep": "[{init.video: [/etc/hosts]}]"}, "sweep", "is outside the working folder"),
        ({"sweep": "[{control: [{net: tiny-canny, image: /etc/hosts}]}]"}, "sweep", "is outside the working folder"),
        ({"sweep": "[{control: [{net: tiny-canny, video: /etc/hosts}]}]"}, "sweep", "is outside the working folder"),
        ({"kind": "film"}, "motion.mode", "is still"),
        ({"kind": "film", "motion__mode": "zoom"}, "motion", ""),
        ({"model": "none"}, "model", "allowed: small"),
        ({"name": "A b"}, "name", "for example a-b"),
    ],
)
def test_a_mistake_is_shown_beside_its_field(workspace, fields, field, text):
    found = Checks(workspace).check(Form(**form(**{"prompts": "x", **fields})))["problems"][0]
    assert found["key"].startswith(field)
    assert text in found["text"]


def test_problems_have_the_key_of_the_nearest_field():
    assert field_of("sampling.guidance[1]") == "sampling.guidance"
    assert field_of("prompts[0].text") == "prompts"
    assert field_of("motion.zoom[1][0]") == "motion.zoom"
    assert field_of("nothing.here") == ""
    shown = problems(ConfigError([Problem("canvas[1]", "is wrong", "write 1:1")]))
    assert shown == [{"key": "canvas", "text": "[1]: is wrong (write 1:1)", "full": "canvas[1]: is wrong (write 1:1)"}]


FORMS = [
    form(prompts="a sea, {red|blue} ship", seeds="0..3", sampling__guidance="5, 7", canvas=["16:9", "1:1"]),
    form(prompts=["${a} ??? # x: y", "- [", "'quoted\"", "two\nlines ", "\u2028é ☃ \U0001f600"], sampling__steps=12),
    form(prompts="x", model="tiny", sampling__guidance_interval="0.25, 0.75", retry="profile"),
    form(prompts="x", model="random_sd15", canvas="640x360", model__clip_skip="2"),
    form(prompts={"id": "n", "text": "a", "negative": "b"}, negative=["c, d", "e"], runtime__rows="8"),
    form("film", prompts="x", motion__mode="zoom", motion__frames="9", motion__zoom="[[0, 1], [end, 4, ramp]]"),
    form("film", prompts="x", motion__mode="feedback", motion__seconds="0.5", motion__loop="pingpong", motion__fps="12",
         motion__x="{wave: sin, period: 2s, from: -0.1, to: 0.1}", encoding__codec="webp", motion__cadence="2, 3"),
]  # fmt: skip


@pytest.mark.parametrize("sent", FORMS, ids=range(len(FORMS)))
def test_the_file_plans_what_the_form_says(workspace, sent):
    draft = workspace.write(Form(**sent))
    expected = Plan(resolve(draft.experiment))
    plan = sdbatch.load(draft.file).plan()
    assert plan.ids == list(expected.ids)
    assert [plan[i].path for i in range(len(plan))] == [job.path for job in expected]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts=st.lists(TEXTS, min_size=1, max_size=3), command=st.text("abc/-_", min_size=1))
def test_any_text_is_read_back_as_it_was_typed(texts, command):
    data = {"name": "x", "prompts": texts, "negative": texts[0], "sweep": [{"negative": texts}]}
    assert load(yaml_text.text(data, "sd15", command)) == {"defaults": [{"override /model": "sd15"}], **data}


def test_files_beside_the_file_count_for_the_form_too(workspace):
    workspace.folder.mkdir()
    (workspace.folder / "p.csv").write_text("id,text\na,a sea\nb,a ship\n")
    (workspace.folder / "wildcards").mkdir()
    draft = workspace.write(Form(**form(prompts={"file": "p.csv"})))
    assert len(Plan(resolve(draft.experiment))) == 2
    assert "file: p.csv" in draft.yaml


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model__vae": "/weights/vae.safetensors"}, "model.vae"),
        ({"loras": [{"path": "/weights/x.safetensors"}]}, "loras"),
        ({"lora_folders": "/weights, loras"}, "lora_folders"),
        ({"prompts": {"text": "a", "loras": ["/weights/x"]}}, "prompts"),
        ({"prompts": "a <lora:/weights/x.safetensors:1>"}, "prompts"),
        ({"prompts": ["a <lora:{ink|../x.safetensors}:1>"]}, "prompts"),
        ({"prompts": ["a <lora:{.}{./x.safetensors}:1>"]}, "prompts"),
        ({"prompts": ["${dir=!/weights/}a <lora:${dir}x:1>"]}, "prompts"),
        ({"prompts": ["{2$$$$lora:/weights/x:1>|<}"]}, "prompts"),
        ({"prompts": ["a {<lora:tiny-ink:1>|<lora:/weights/x:1>}"]}, "prompts"),
        ({"sweep": "[{prompts: ['a <lyco:~/x.safetensors>']}]"}, "sweep"),
        ({"sweep": "[{model.vae: [/weights/a, /weights/b]}]"}, "sweep"),
        ({"models": "[/weights/a.safetensors, tiny]"}, "models"),
        ({"sweep": "[{control: [{net: /weights/canny.safetensors, image: x.png}]}]"}, "sweep"),
    ],
)
def test_weights_elsewhere_may_be_named_by_the_user_of_this_machine_only(workspace, fields, field):
    def outside(anywhere):
        checks = Checks(Workspace("experiments", "outputs", anywhere))
        found = checks.check(Form(**form(**{"prompts": "a", **fields})))["problems"]
        return [p["key"] for p in found if "outside" in p["text"]]

    assert outside(True) == []
    assert set(outside(False)) == {field}


@pytest.mark.parametrize("text", ["a {<lora:tiny-ink:1>|<lora:tiny-ink:0.5>} {red|blue}", "a < b, a <3", "a {x|y}"])
def test_tags_that_are_written_whole_may_be_alternatives(workspace, text):
    assert not list(Workspace("experiments", "outputs", False).outside({"prompts": [{"text": text}]}))


# Keys that name no file, although their descriptions speak of files.
NO_FILES = {"codec", "date", "fps", "metadata", "mode", "name", "names", "nan", "negative", "pictures",
            "preprocess", "preset", "prompts", "task"}  # fmt: skip
# Keys of tasks that the studio does not start.
OTHER_TASKS = {"font", "sign", "source", "videos"}


def test_every_key_that_names_a_file_is_checked():
    found: set[str] = set()

    def walk(node):
        if isinstance(node, list):
            for each in node:
                walk(each)
        elif isinstance(node, dict):
            for name, about in node.get("properties", {}).items():
                text = about.get("description", "")
                if re.search(r"\b(file|folder|path|picture|video)", text) and '"string"' in json.dumps(about):
                    found.add(name)
            for each in node.values():
                walk(each)

    walk(schema())
    assert {"video", "net", "image", "file"} <= found
    assert found - {*FILES, *WEIGHTS} == NO_FILES | OTHER_TASKS


def test_only_what_differs_from_the_defaults_is_written(workspace):
    sent = form(model="small", prompts="a", sampling__steps="24", seeds="0", canvas=["1:1"], sampling__sampler="ddim")
    draft = workspace.write(Form(**sent))
    command = "python -m sdbatch experiments/a.yaml"
    expected = {"name": "a", "prompts": ["a"], "sampling": {"sampler": "ddim"}}
    assert yaml.safe_load(draft.yaml) == expected
    assert draft.yaml.startswith(f"# {command}\n")
    assert draft.command == command


def test_the_file_names_the_model_where_the_environment_chooses_another(workspace, monkeypatch):
    monkeypatch.setenv("SDBATCH_MODEL", "fake")
    assert "override /model: small" in workspace.write(Form(**form(model="small", prompts="a"))).yaml
    assert "defaults" not in workspace.write(Form(**form(model="fake", prompts="b"))).yaml


def test_a_taken_name_gets_a_number_and_the_same_settings_the_same_file(workspace):
    def name(**more):
        return workspace.write(Form(**form(prompts="a sea"), **more)).file.name

    assert [name(), name()] == ["a-sea.yaml", "a-sea.yaml"]
    other = form(prompts="a sea", sampling__steps="9")
    assert workspace.draft(Form(**other)).file.name == "a-sea-2.yaml"
    assert workspace.draft(Form(**other)).taken
    replaced = workspace.write(Form(**other, replace=True))
    assert (replaced.file.name, replaced.experiment.sampling.steps) == ("a-sea.yaml", 9)


def test_every_field_has_a_type_a_description_and_its_default():
    fields = describe.fields()
    kinds = {"text", "long_text", "integer", "number", "choice", "boolean", "schedule", "json", "prompts", "canvas"}
    assert {f.type for f in fields.values()} <= kinds | {"seeds", "list"}
    assert all(f.about for f in fields.values())
    assert (fields["sampling.steps"].min, fields["sampling.steps"].max) == (1, 1000)
    assert not {"task", "output.folder", "model.kind", "runtime.gpus"} & fields.keys()
    unchanged = {"kind": "picture", "model": "small", "fields": {k: f.default for k, f in fields.items() if not f.film}}
    made = settings(Form(**unchanged | {"fields": unchanged["fields"] | {"prompts": "a"}})).data  # type: ignore[operator]
    assert Workspace("e", "outputs").draft(Form(model="small", fields={"prompts": "a"})).experiment.name == made["name"]


def test_thousands_of_prompts_are_written_as_they_are() -> None:
    odd = [
        'a "gate": yes',
        "- #no",
        "\\n",
        "鳥居, été",
        "null",
        "1e3",
        "{a|b}: [c]",
        " spaces ",
        "'",
        "%x",
        "@y",
        "~",
        "?",
    ]
    prompts = [f"{text} {n}" if n else text for n in range(60) for text in odd]
    assert len(prompts) > yaml_text.MANY
    assert load(yaml_text.text({"prompts": prompts, "name": "many"}, "", "x")) == {"name": "many", "prompts": prompts}
    broken = [*prompts, "two\nlines", "\u2028"]
    assert load(yaml_text.text({"prompts": broken}, "", "x")) == {"prompts": broken}
