"""The Python API gives the ids and files of the command line."""

from __future__ import annotations

import ast
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sdbatch
from sdbatch import api
from sdbatch.cli import run as command_line
from sdbatch.store import State
from tests.config.building import ROOT

YAML = """\
name: small
prompts: [a sea, "a hill, ${x}"]
seeds: 0..1
canvas: ["32x24"]
sampling: {steps: 2}
"""
FAKE = ["model=fake", "gallery.enabled=false"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my file.yaml"
    path.write_text(YAML, "utf-8")
    return path


def test_the_public_names_are_complete_and_exist() -> None:
    for name in sdbatch.__all__:
        assert getattr(sdbatch, name) is not None
    public = {name for name, value in vars(api).items() if getattr(value, "__module__", "") == "sdbatch.api"}
    assert {name for name in public if not name.startswith("_")} <= set(sdbatch.__all__)
    errors = {
        node.name
        for node in ast.parse((ROOT / "src/sdbatch/errors.py").read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    assert {name for name in errors if name.endswith("Error")} - {"DeviceLost"} <= set(sdbatch.__all__)
    with pytest.raises(AttributeError):
        _ = sdbatch.nothing


def test_importing_it_costs_nothing() -> None:
    code = "import sys, sdbatch; sys.exit(any(m in sys.modules for m in ('torch', 'hydra', 'pydantic', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_shows_all_that_was_rendered(file: Path, tmp_path: Path) -> None:
    for seeds in ("0", "0..1", "0"):
        list(sdbatch.load(file, ["model=fake", f"seeds={seeds}"]).plan().render())
    assert '"jobs":4,' in (tmp_path / "outputs/small/gallery/plan.js").read_text("utf-8")


def test_it_renders_what_the_command_line_renders(file: Path, tmp_path: Path) -> None:
    plan = sdbatch.load(file, [*FAKE, "seeds=0..2"]).plan()
    assert len(plan) == len(plan.ids) == 6
    assert plan[-1].id == plan.ids[-1]
    assert [job.id for job in plan[1:3]] == plan.ids[1:3]
    results = list(plan.render())
    assert sorted(r.job.id for r in results) == sorted(plan.ids)
    assert all(r.new and r.path is not None and r.path.is_file() for r in results)
    assert results[0].image().size == (32, 24)
    assert plan.states()[State.DONE] == 6
    made = {p.relative_to(plan.store.root): p.read_bytes() for p in plan.store.root.rglob("*.*")}
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\n" + YAML, "utf-8")
    other = ["output.folder=other", "--config-dir", str(tmp_path / "conf"), "+experiment=mine", "seeds=0..2", *FAKE]
    assert command_line(other) == 0
    root = tmp_path / "other" / "small"
    assert {p.relative_to(root): p.read_bytes() for p in root.rglob("*.*")} == made


def test_a_second_call_renders_nothing(file: Path) -> None:
    plan = sdbatch.load(file, FAKE).plan()
    assert [r.new for r in plan.render()] == [True] * 4
    assert [r.new for r in plan.render()] == [False] * 4
    assert [r.job.id for r in plan.results()] == plan.ids


def test_leaving_the_loop_stops_and_resumes(file: Path) -> None:
    plan = sdbatch.load(file, [*FAKE, "seeds=0..19", "model.fake.delay=0.01"]).plan()
    for result in plan.render():
        assert result.new
        break
    done = len(list(plan.results()))
    assert 1 <= done < 40
    assert sum(not r.new for r in plan.render()) == done
    assert len(list(plan.results())) == 40


def test_failed_jobs_are_results(file: Path) -> None:
    plan = sdbatch.load(file, [*FAKE, "model.fake.fail=[sea]"]).plan()
    failed = [r for r in plan.render() if r.path is None]
    assert [r.error for r in failed] == ["simulated failure"] * 2
    with pytest.raises(ValueError, match="simulated failure"):
        failed[0].image()


def test_sources(file: Path) -> None:
    shipped = sdbatch.load("anime_zoom", ["model=fake"])
    assert shipped.name == "anime_zoom"
    assert shipped.folder == Path("outputs/anime_zoom")
    keys = sdbatch.load({"name": "keys", "prompts": ["a sea"], "sampling": {"steps": 3}}, ["model=fake"])
    (job,) = keys.plan()
    assert (job.shot.steps, job.shot.guidance) == (3, 6.0)
    assert sdbatch.load(file, ["model=fake"]).plan()[2].shot.prompt == "a hill, ${x}"


@pytest.mark.parametrize(
    ("source", "overrides", "key"),
    [
        ("nothing_of_that_name", [], "experiment"),
        ("nothing.yaml", [], ""),
        ("~nobody_of_that_name/x.yaml", [], "source"),
        ({"prompts": ["a"], "seed": 3}, [], "seed"),
        ({"prompts": ["a"]}, ["sampling.steps=-1"], "sampling.steps"),
    ],
)
def test_mistakes_are_config_errors(
    file: Path, source: str | dict[str, object], overrides: list[str], key: str
) -> None:
    with pytest.raises(sdbatch.ConfigError) as error:
        sdbatch.load(source, overrides)
    assert [p.key for p in error.value.problems] == [key]


def test_experiments_are_loaded_in_threads() -> None:
    """Hydra has global state."""
    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(lambda n: sdbatch.load({"prompts": [f"a sea {n}"]}, ["model=fake"]).plan(), range(12)))
    assert [plan[0].shot.prompt for plan in plans] == [f"a sea {n}" for n in range(12)]
