"""What conf/ holds: every file composes and plans, defaults say what the models say, the schema is the shipped one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml
from annotated_types import Ge, Gt, Le
from pydantic import BaseModel

from sdbatch.config.experiment import Experiment, schema
from sdbatch.config.hydra_source import Composed, compose
from sdbatch.config.validation import validate
from sdbatch.errors import ConfigError
from sdbatch.plan.plan import plan
from sdbatch.plan.resolve import resolve
from tests.config.building import ROOT
from tests.config.building import sdbatch as new_process

CONF = ROOT / "conf"
ADDED = ("experiment", "prompt_set", "motion_preset", "sampling_preset", "cluster")
GLOBAL = sorted(p for group in ADDED for p in (CONF / group).glob("*.yaml"))
GROUPS = sorted(p for group in ("model", "runtime", "output") for p in (CONF / group).glob("*.yaml"))


@pytest.fixture
def composed(tmp_path, monkeypatch):
    """``composed(*arguments)``: the plain data that a command line makes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SDBATCH_MODEL", raising=False)

    def run(*arguments: str) -> Composed:
        found: list[Composed] = []

        def one(read: Callable[[], Composed], name: str) -> int:
            found.append(read())
            return 0

        assert compose([*arguments, "hydra/job_logging=none", "hydra/hydra_logging=none"], one) == [0]
        return found[0]

    return run


@pytest.mark.parametrize("before", [None, "0"])
def test_composing_leaves_the_process_as_it_was(composed, monkeypatch, before):
    monkeypatch.setattr(sys, "argv", ["program", "argument"])
    if before is None:
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    else:
        monkeypatch.setenv("HYDRA_FULL_ERROR", before)
    assert composed("seeds=7").data["seeds"] == 7
    with pytest.raises(ConfigError):
        composed("model=nothing")
    assert sys.argv == ["program", "argument"]
    assert os.environ.get("HYDRA_FULL_ERROR") == before


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("model", [["model=fake"], []], ids=["fake", "own"])
@pytest.mark.parametrize("path", GLOBAL, ids=_id)
def test_every_file_composes_and_plans(composed, path, model):
    needs = {
        "experiment": [],
        "prompt_set": [],
        "motion_preset": ["prompts=[a sea]", "motion.frames=8"],
        "sampling_preset": ["prompts=[a sea]"],
        "cluster": ["prompts=[a sea]"],
    }[path.parent.name]
    data = composed(f"+{path.parent.name}={path.stem}", *model, *needs).data
    made = plan(resolve(validate(data)))
    assert len(made) > 0
    if path.parent.name == "experiment":
        assert data["name"] == path.stem


@pytest.mark.parametrize("path", GROUPS, ids=_id)
def test_every_group_is_valid(composed, path):
    data = composed(f"{path.parent.name}={path.stem}").data
    validate(data | {"prompts": ["a sea"]})
    base = yaml.safe_load((CONF / "config.yaml").read_text("utf-8")).get(path.parent.name, {})
    own = yaml.safe_load(path.read_text("utf-8"))
    assert data[path.parent.name] == base | own


def test_defaults_are_those_of_the_models(composed):
    """conf/config.yaml lists every key, and each with the default that the program has without it."""
    data = composed().data
    plain = Experiment().model_dump(mode="json")
    assert data.keys() == plain.keys()
    assert Experiment.model_validate_json(json.dumps(data)) == Experiment()
    for section in ("sampling", "motion", "encoding", "model", "runtime", "output"):
        assert data[section].keys() == plain[section].keys(), section


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=_id)
def test_every_file_opens_with_how_to_run_it(path):
    head = path.read_text("utf-8").split("\n\n")[0]
    assert "python -m sdbatch" in head or f"{path.parent.name}=" in head


@pytest.mark.parametrize("path", [CONF / "config.yaml", *GLOBAL], ids=_id)
def test_editors_find_the_schema(path):
    line = next(line for line in path.read_text("utf-8").splitlines() if "yaml-language-server" in line)
    assert (path.parent / line.partition("$schema=")[2]).resolve() == CONF / "schema.json"


# ---- the schema


def test_the_shipped_schema_is_the_printed_one(tmp_path):
    """If this fails: ``make schema``."""
    printed = new_process("task=schema", cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    assert json.loads(printed.stdout) == schema() == json.loads((CONF / "schema.json").read_text("utf-8"))


VALIDATOR = jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize("path", [CONF / "config.yaml", *GLOBAL], ids=_id)
def test_what_is_shipped_fits_the_schema(path):
    VALIDATOR.check_schema(schema())
    VALIDATOR.validate(yaml.safe_load(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"smapling": {}},
        {"sampling": {"steps": 0}},
        {"sampling": {"sampler": "dpm"}},
        {"canvas": [969]},
        {"task": "rendr"},
        {"prompts": "a sea"},
        {"encoding": {"quality": 99}},
        {"motion": {"frames": 1}},
        {"motion": {"mode": "promt"}},
    ],
    ids=str,
)
def test_an_editor_sees_what_is_wrong(wrong):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(wrong)


def models(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    found = {model.__name__: model}
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= models(field.annotation)
    return found


FIELDS = [(f"{n}.{k}", f) for n, m in models(Experiment).items() for k, f in m.model_fields.items()]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[n for n, _ in FIELDS])
def test_every_key_says_what_it_means_and_every_number_its_range(name, field):
    assert field.description, name
    if field.annotation in (int, float, int | None, float | None):
        bounds = {type(m) for m in field.metadata}
        assert bounds & {Ge, Gt}, name
        assert Le in bounds, name


# ---- a folder of one's own, and the wheel


def test_a_folder_of_ones_own(composed, tmp_path):
    file = tmp_path / "my" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\ndefaults: [anime_zoom, _self_]\nname: mine\nseeds: 7\n")
    found = composed("--config-dir", "my", "+experiment=mine", "model=fake")
    shipped = yaml.safe_load((CONF / "experiment" / "anime_zoom.yaml").read_text("utf-8"))
    assert (found.data["name"], found.data["seeds"], found.data["prompts"]) == ("mine", 7, shipped["prompts"])
    assert found.hidden == ()


@pytest.mark.parametrize("name", ["experiment/anime_zoom.yaml", "config.yaml", "model/small.yaml"])
def test_a_file_that_a_built_in_hides_is_reported(composed, tmp_path, name):
    (tmp_path / "my" / name).parent.mkdir(parents=True)
    (tmp_path / "my" / name).write_text("name: mine\n")
    (hidden,) = composed("--config-dir", "my").hidden
    assert Path(hidden).resolve() == tmp_path / "my" / name


def test_the_wheel_carries_conf_and_models(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("sdbatch-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "there")
    shipped = tmp_path / "there" / "sdbatch"
    assert {p.relative_to(CONF) for p in CONF.rglob("*.*")} == {
        p.relative_to(shipped / "conf") for p in (shipped / "conf").rglob("*.*")
    }
    assert (shipped / "models" / "clip" / "merges.txt").is_file()
    project = Path("tasks", "project")
    assert {p.name for p in (ROOT / "src/sdbatch" / project).rglob("*")} == {
        p.name for p in (shipped / project).rglob("*")
    }
    for name in ("small", "tiny"):
        assert (shipped / "models" / name / "unet" / "config.json").exists()
    for kind in ("loras", "embeddings"):
        names = {p.name for p in (ROOT / "src/sdbatch/models" / kind).iterdir()}
        assert names == {p.name for p in (shipped / "models" / kind).iterdir()} > {"README.md"}
    (tmp_path / "away").mkdir()
    done = new_process(
        "+experiment=anime_zoom",
        "model=fake",
        "task=plan",
        "plan.format=json",
        cwd=tmp_path / "away",
        source=tmp_path / "there",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["name"] == "anime_zoom"
