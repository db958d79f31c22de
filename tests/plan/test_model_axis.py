"""Several models as an axis: names, files, zips with other keys, sizes, and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sdbatch.plan import division
from sdbatch.plan.plan import Plan
from tests.config.building import planned, problems

TWO: list[Any] = ["fake", {"clip_skip": 2}]


def models(plan: Plan) -> list[tuple[str, int]]:
    return [(dict(job.labels)["models"], job.shot.model.clip_skip) for job in plan]


def test_models_are_an_axis_with_short_names() -> None:
    plan = planned(models=["fake", {"clip_skip": 2}, {"name": "third", "model": "fake", "clip_skip": 3}], seeds=[1, 2])
    assert models(plan) == [("fake", 1)] * 2 + [("fake + clip 2", 2)] * 2 + [("third", 3)] * 2
    assert [a.keys for a in plan.axes] == [("prompts",), ("canvas",), ("models",), ("seeds",)]
    assert [s.model.clip_skip for s in plan.models] == [1, 2, 3]


def test_one_model_as_an_axis_has_the_ids_of_the_model_alone() -> None:
    assert planned(models=["fake"]).ids == planned().ids
    assert planned(models=TWO).ids == planned().ids + planned(model={"kind": "fake", "clip_skip": 2}).ids
    assert planned(sweep=[{"models": TWO}]).ids == planned(models=TWO).ids


def test_an_entry_takes_the_other_keys_of_model() -> None:
    plan = planned(model={"kind": "fake", "clip_skip": 4, "native": 256}, models=["fake", {"clip_skip": 2}])
    assert [(job.shot.model.clip_skip, job.shot.width) for job in plan] == [(4, 256), (2, 256)]


def test_models_vary_together_with_other_keys() -> None:
    plan = planned(sweep=[{"models": TWO, "sampling.guidance": [5, 7], "sampling.steps": [10, 20]}])
    found = [(job.shot.model.clip_skip, job.shot.guidance, job.shot.steps) for job in plan]
    assert found == [(1, 5.0, 10), (2, 7.0, 20)]


def test_the_vae_and_clip_skip_of_every_model_can_be_swept(tmp_path: Path) -> None:
    from tests.models.test_weights import write

    write(tmp_path / "v.safetensors")
    vae = str(tmp_path / "v.safetensors")
    plan = planned(sweep=[{"model.vae": [None, vae]}, {"model.clip_skip": [1, 2]}], model={"kind": "random_sd15"})
    assert [(bool(j.shot.model.vae), j.shot.model.clip_skip) for j in plan] == [
        (False, 1), (False, 2), (True, 1), (True, 2)
    ]  # fmt: skip
    assert [dict(j.labels)["model.vae"] for j in plan] == ["own", "own", "v", "v"]


def test_a_ratio_is_of_each_models_native_area() -> None:
    plan = planned(models=["fake", {"name": "large", "native": 512, "clip_skip": 2}], canvas=["1:1", "64x32"])
    assert [(j.shot.width, j.shot.height) for j in plan] == [(128, 128), (512, 512), (64, 32), (64, 32)]


def test_rules_skip_models_by_name() -> None:
    rule = {"models": "fake + clip 2", "sampling.steps": 20}
    plan = planned(models=TWO, sweep=[{"sampling.steps": [10, 20]}], skip=[rule])
    assert [(j.shot.model.clip_skip, j.shot.steps) for j in plan] == [(1, 10), (1, 20), (2, 10)]
    (only,) = planned(models=TWO, skip=[{"models": "fake"}]).models
    assert only.model.clip_skip == 2


def test_files_of_conf_model_are_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text(yaml.safe_dump({"kind": "fake", "clip_skip": 5}))
    assert models(planned(models=["mine", {"model": "mine", "clip_skip": 6}])) == [("mine", 5), ("mine + clip 6", 6)]
    (job,) = planned(models=["sd15"])
    assert job.shot.model.weights.startswith("stable-diffusion-v1-5/")


def test_equal_names_get_numbers() -> None:
    plan = planned(models=["fake", {"model": "fake", "native": 64}])
    assert [label for label, _ in models(plan)] == ["fake", "fake 2"]


def test_a_chunk_of_work_has_one_model() -> None:
    plan = planned(models=TWO, prompts=["a", "b"], seeds=["0..9"])
    chunks = division.chunks(plan)
    for chunk in range(len(chunks)):
        assert len({plan[i].shot.model for i in range(len(plan)) if chunks.of[i] == chunk}) == 1
    order = [plan[int(i)].shot.model.clip_skip for i in chunks.of.argsort(kind="stable")]
    assert order == sorted(order)


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"models": ["fakt"]}, [("models[0]", "neither a model nor a file or folder (did you mean 'fake'?)")]),
    (
        {"models": ["a.safetensors", "fakt", {"path": "b.ckpt"}]},
        [("models[0].path", "does not exist"), ("models[1]", "neither"), ("models[2].path", "is a pickle file")],
    ),
    ({"models": ["~nouser/x"]}, [("models[0]", "'~nouser/x': there is no such user")]),
    ({"models": [3]}, [("models[0]", "3 is not a model; write a name, a path or")]),
    ({"models": "fake"}, [("models", "is not a list (put it in [ ])")]),
    ({"models": [{"clip_skip": 0}]}, [("models[0].clip_skip", "out of range 1–12")]),
    ({"models": [{"path": "a", "repo": "b"}]}, [("models[0].repo", "cannot be combined with path")]),
    ({"models": [{"pat": "a"}]}, [("models[0].pat", "did you mean 'path'?")]),
    ({"models": [{"name": "a"}, {"name": "a", "clip_skip": 2}]}, [("models[1].name", "is used twice")]),
    ({"models": ["fake", "tiny"]}, [("models", "fake and tiny have different renderers")]),
    ({"models": TWO, "sweep": [{"models": TWO}]}, [("sweep[0].models", "is already an axis: models has 2 values")]),
    ({"sweep": [{"models": ["fakt"]}]}, [("sweep[0].models[0]", "neither a model")]),
    ({"sweep": [{"model.path": ["a", "b"]}]}, [("sweep[0].model.path", "write sweep: [{models: […]}]")]),
    ({"sweep": [{"model.clip_skip": [1, 99]}]}, [("sweep[0].model.clip_skip", "out of range 1–12")]),
    ({"sweep": [{"model.vae": [None, "x.safetensors"]}]}, [("model.vae", "is neither a diffusers folder nor")]),
    ({"models": TWO, "skip": [{"models": "fka"}]}, [("skip[0].models", "values are fake, fake + clip 2")]),
]


@pytest.mark.parametrize(("data", "expected"), WRONG, ids=lambda v: str(v)[:50])
def test_mistakes_are_named(data: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = problems(data)
    assert [p.key for p in found] == [key for key, _ in expected]
    for problem, (_, words) in zip(found, expected, strict=True):
        assert words in str(problem)
