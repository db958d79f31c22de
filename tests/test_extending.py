"""The examples of CONTRIBUTING.md: each is registered as it is printed there, composed, validated and run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sdbatch
from sdbatch import models, motion, tasks, video_reader
from sdbatch.cli import run as command_line
from sdbatch.config.experiment import schema
from sdbatch.config.registry import MODEL_KINDS, TASKS
from sdbatch.media import metadata
from sdbatch.models import kinds
from sdbatch.motion import MODES
from sdbatch.samplers import FAMILIES, SAMPLERS, NoiseSchedule, table
from sdbatch.spec.canvas import RATIOS
from sdbatch.spec.codecs import CODECS
from sdbatch.spec.jobs import Layer
from tests.config.building import ROOT, planned, problems

REGISTRIES: tuple[dict[str, Any], ...] = (MODES, FAMILIES, SAMPLERS, CODECS, RATIOS, MODEL_KINDS, TASKS)
FAST = ["model=fake", "gallery.enabled=false"]
BASE = {"name": "extended", "prompts": ["a sea"], "canvas": ["32x24"], "sampling": {"steps": 2}}


def examples(heading: str) -> dict[str, str]:
    """The code below a heading of CONTRIBUTING.md, by the file that each block names in its first line."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = text.split(f"### {heading}\n", 1)[1].split("\n##", 1)[0]
    blocks = re.findall(r"```python\n(# (src/sdbatch/\S+)\n.*?)```", section, re.S)
    assert blocks
    return {file: code for code, file in blocks}


def extend(heading: str) -> None:
    for code in examples(heading).values():
        exec(code, {})


@pytest.fixture(autouse=True)
def _registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every registry is as before after each test."""
    monkeypatch.chdir(tmp_path)
    before = [dict(registry) for registry in REGISTRIES]
    yield
    for registry, entries in zip(REGISTRIES, before, strict=True):
        registry.clear()
        registry.update(entries)


def choices(*keys: str) -> list[str]:
    """The values that the JSON Schema allows for a key."""
    whole = schema()
    node = whole
    for key in keys:
        node = node["properties"][key]
        if "$ref" in node:
            node = whole["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return list(node["enum"])


def rendered(data: Mapping[str, Any], *overrides: str) -> list[sdbatch.Result]:
    """The jobs of an experiment, rendered without a model."""
    results = list(sdbatch.load({**BASE, **data}, [*FAST, *overrides]).plan().render())
    assert results
    assert [r.error for r in results] == [""] * len(results)
    return results


def message(**data: Any) -> str:
    """What the user reads of one mistake."""
    (problem,) = problems(BASE, **data)
    return str(problem)


def test_a_motion_mode() -> None:
    extend("A motion mode")
    (job,) = planned(motion={"mode": "cut", "frames": 4})
    assert motion.shots(job) == (job.shot, replace(job.shot, seed=job.shot.seed + 1))
    assert motion.frames(job) == ((Layer(0),), (Layer(0),), (Layer(1),), (Layer(1),))
    (result,) = rendered({"motion": {"mode": "cut", "frames": 4}})
    assert result.path is not None
    assert result.path.suffix == ".mp4"
    assert "cut" in choices("motion", "mode")
    assert "did you mean 'cut'?" in message(motion={"mode": "cutt", "frames": 4})
    assert "zoom" in message(motion={"mode": "cut", "frames": 4, "zoom": 2})  # a key that it does not use


def test_a_sampler() -> None:
    extend("A sampler")
    for name, infotext in (("ab2", "AB2"), ("ab2_karras", "AB2 Karras")):
        (result,) = rendered({"sampling": {"sampler": name, "steps": 5}})
        assert result.path is not None
        with Image.open(result.path) as image:
            assert f"Sampler: {infotext}, " in image.info["parameters"]
        assert metadata.read(result.path)["job"]["shot"]["sampler"]["kind"] == "ab2"
        assert name in choices("sampling", "sampler")
    assert "did you mean 'ab2'?" in message(sampling={"sampler": "ab3"})


@pytest.mark.parametrize("start", [0, 3])
def test_the_sampler_removes_all_noise_that_the_denoiser_predicts(start: int) -> None:
    extend("A sampler")
    noise, picture = 0.7, -0.2
    found = table(SAMPLERS["ab2"], NoiseSchedule(), 8, start)
    state = np.array([found.start_alpha * picture + found.start_sigma * noise, 0.0])
    for matrix in found.matrices:
        state = matrix @ [*state, noise, 0.0]
    assert state[0] == pytest.approx(picture, abs=1e-9)


def test_a_codec() -> None:
    extend("A codec")
    moving = {"motion": {"mode": "prompt", "frames": 3, "phrase": "{t:.1f}"}, "encoding": {"codec": "apng"}}
    (result,) = rendered(moving, "gallery.enabled=true")
    assert result.path is not None
    assert result.path.suffix == ".apng"
    with Image.open(result.path) as image:
        assert (image.size, getattr(image, "n_frames", 1)) == ((32, 24), 3)
    assert metadata.read(result.path)["job"]["id"] == result.job.id  # from the file beside it
    assert video_reader.probe(result.path).frames == 3
    page = (result.path.parents[1] / "gallery" / "jobs-000.js").read_text("utf-8")
    assert result.path.name in page
    assert "apng" in choices("encoding", "codec")
    assert "did you mean 'apng'?" in message(encoding={"codec": "apg"})
    assert command_line([f"--config-dir={_conf(moving)}", "+experiment=mine", *FAST, "task=verify"]) == 0


def test_a_ratio() -> None:
    assert "5:4" not in RATIOS
    extend("A ratio")
    (result,) = rendered({"canvas": ["5:4"]})
    assert result.image().size == (144, 112)
    listed = schema()["properties"]["canvas"]["anyOf"][1]["items"]["anyOf"][0]["enum"]
    assert "5:4" in listed
    assert "21:9, 5:4)" in message(canvas=["5:3"])


def test_a_model_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _modules(kinds, "A model kind", tmp_path, monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine").symlink_to(Path(models.__file__).parent / "tiny")
    folder = _conf({})
    (folder / "model").mkdir()
    (folder / "model" / "library.yaml").write_text("kind: library\n", "utf-8")
    arguments = [f"--config-dir={folder}", "+experiment=mine", "model=library", "gallery.enabled=false"]
    assert command_line([*arguments, "model.path=mine"]) == 0
    (picture,) = (tmp_path / "outputs" / "extended" / "images").iterdir()
    own, tiny = (planned(BASE, model=m)[0] for m in ({"kind": "library", "path": "mine"}, {"kind": "tiny"}))
    assert own.id == tiny.id  # the weights are the same; where they are is in no id
    assert metadata.read(picture)["job"]["id"] == own.id
    assert command_line([*arguments, "model.path=other"]) == 2
    assert "library" in choices("model", "kind")
    assert "did you mean 'library'?" in message(model={"kind": "librari"})


def test_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _modules(tasks, "A task", tmp_path, monkeypatch)
    assert command_line([f"--config-dir={_conf({})}", "+experiment=mine", "seeds=0..2", *FAST, "task=ids"]) == 0
    assert capsys.readouterr().out.split() == planned(BASE, seeds="0..2").ids
    assert "ids" in choices("task")
    assert "did you mean 'ids'?" in message(task="id")


def _modules(package: Any, heading: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module of an example lies in ``folder``, which ``package`` searches too; its registration is run."""
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    (file, code), (_, entry) = examples(heading).items()
    (folder / Path(file).name).write_text(code, "utf-8")
    monkeypatch.delitem(sys.modules, f"{package.__name__}.{Path(file).stem}", raising=False)
    exec(entry, {})


def _conf(data: Mapping[str, Any]) -> Path:
    """A folder for --config-dir with the experiment ``mine``."""
    folder = Path("my_conf").absolute()
    (folder / "experiment").mkdir(parents=True)
    lines = [f"{key}: {value!r}" for key, value in {**BASE, **data}.items()]  # flow style: Python's literals are YAML
    (folder / "experiment" / "mine.yaml").write_text("\n".join(["# @package _global_", *lines]), "utf-8")
    return folder
