"""An experiment file anywhere on disk finds the files beside it; a prompt that is left out is named."""

from __future__ import annotations

from pathlib import Path

import pytest

import sdbatch
from sdbatch import cli
from sdbatch.config.beside import found_beside
from tests.config.building import planned, problems
from tests.sound.clicks import clicks

YAML = """
prompts: [{file: p.txt}, "__colours__ sea"]
styles: {file: s.csv, use: film}
encoding: {audio: beat.wav}
sweep: [{encoding.audio: [beat.wav]}]
motion: {mode: zoom, seconds: 2, fps: 8}
model: {kind: fake}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / "wildcards").mkdir(parents=True)
    (folder / "wildcards/colours.txt").write_text("red\n")
    (folder / "my.yaml").write_text(YAML)
    (folder / "p.txt").write_text("a boat\n")
    (folder / "s.csv").write_text("name,prompt\nfilm,film grain\n")
    clicks(folder / "beat.wav")
    monkeypatch.chdir(tmp_path)
    return folder


def texts(file: Path) -> list[str]:
    return [job.shot.prompt for job in sdbatch.load(file).plan()]


def test_files_beside_the_experiment_are_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ["a boat, film grain", "red sea, film grain"]
    assert texts(Path("project/my.yaml")) == expected
    assert texts(project / "my.yaml") == expected
    Path("p.txt").write_text("here\n")  # the working folder comes first
    assert texts(Path("project/my.yaml"))[0] == "here, film grain"
    monkeypatch.chdir(project)
    assert texts(Path("my.yaml")) == expected


def test_on_the_command_line(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["project/my.yaml", "task=plan"]) == 0
    assert "red-sea" in capfd.readouterr().out
    (project / "p.txt").unlink()
    assert cli.run(["project/my.yaml", "task=plan"]) == 2
    assert "'p.txt' cannot be read" in capfd.readouterr().err


def test_a_repeated_prompt_is_named() -> None:
    plan = planned(
        prompts=[
            {"id": "one", "text": "a sea"},
            "a boat",
            "{a|a} sea",
            {"id": "own", "text": "a boat", "negative": "x"},
        ]
    )
    assert plan.duplicates == 1
    assert plan.notes == [("a-sea", "the same text as one, so it is left out")]
    zipped = planned(prompts=[], sweep=[{"prompts": ["a sea", "a sea"], "sampling.steps": [3, 4]}])
    assert (len(zipped), zipped.notes) == (2, [])


def test_all_mistakes_of_files_are_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = problems(
        prompts=[{"file": "a.csv"}, {"file": "b.txt"}],
        styles={"file": "s.csv", "use": ["x"]},
        encoding={"audio": "c.wav"},
        model={"kind": "local", "path": "none"},
    )
    keys = [p.key for p in found]
    assert keys == ["styles.file", "prompts[0].file", "prompts[1].file", "encoding.audio", "model.path"]
    (seeds,) = problems(seeds=[1.5, -1])
    assert "1.5" in seeds.message
    assert "-1" in seeds.message


def test_words_with_a_meaning_are_no_files(project: Path) -> None:
    for name in ("init", "alpha", "lanczos", "latent"):
        (project / name).mkdir()
    upscalers = ["lanczos", "latent"]
    data = {
        "prompts": [],
        "control": [{"net": "edges", "image": "init"}],
        "mask": {"image": "alpha"},
        "hires": {"upscaler": "latent"},
        "upscale": {"model": "lanczos"},
        "sweep": [
            {"control": [[{"net": "edges", "image": ["init"]}]], "mask.image": ["alpha", None]},
            {"hires.upscaler": upscalers, "upscale.model": upscalers},
        ],
    }
    assert found_beside(data, project) == data
    pictures = found_beside({"init": {"image": "init"}, "control": [{"image": ["init", "alpha"]}]}, project)
    assert pictures["init"]["image"] == str(project / "init")
    assert pictures["control"][0]["image"] == [str(project / "init"), str(project / "alpha")]
