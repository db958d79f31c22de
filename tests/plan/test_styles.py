"""Styles of A1111's styles.csv: the same rule, on every prompt and negative prompt of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdbatch.spec.wording import part_count
from tests.config.building import planned, problems

CSV = """\ufeffname,prompt,negative_prompt
film,"{prompt}, film grain, (35mm:1.2)","digital, {prompt}"
night,"night sky, {red|blue} stars",day
--- more ---,,
odd,"a, b"
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "styles.csv"
    made.write_text(CSV, "utf-8")
    return made


def pairs(use: Any, **more: Any) -> list[tuple[str, str]]:
    plan = planned(styles={"file": "styles.csv", "use": use}, **{"prompts": ["a sea "]} | more)
    return [(job.shot.prompt, job.shot.negative) for job in plan]


def test_a_style_surrounds_the_prompt_or_follows_it() -> None:
    assert pairs("film", negative="fog") == [("a sea , film grain, (35mm:1.2)", "digital, fog")]
    assert pairs("night") == [("a sea, night sky, red stars", "day"), ("a sea, night sky, blue stars", "day")]
    assert pairs(["odd", "film"]) == [("a sea, a, b, film grain, (35mm:1.2)", "digital, ")]
    assert pairs([]) == [("a sea ", "")]


def test_styles_reach_every_negative_and_swept_texts() -> None:
    own = {"text": "x", "negative": "own"}
    assert pairs("night", prompts=[own])[0] == ("x, night sky, red stars", "own, day")
    swept = pairs("odd", sweep=[{"negative": ["u", "v"]}])
    assert [negative for _, negative in swept] == ["u", "v"]
    swept = pairs("film", prompts=[], sweep=[{"prompts": ["p"], "negative": ["u"]}])
    assert swept == [("p, film grain, (35mm:1.2)", "digital, u")]


@pytest.mark.parametrize(
    ("styles", "key", "message"),
    [
        ({"file": "styles.csv", "use": ["flim"]}, "styles.use", "there is no style 'flim' (did you mean 'film'?)"),
        ({"use": ["film"]}, "styles.file", "is missing"),
        ({"file": "none.csv", "use": ["film"]}, "styles.file", "cannot be read"),
        ({"file": "bad.csv", "use": ["film"]}, "styles.file", "has no columns name and prompt"),
        ({"file": "long.csv", "use": ["film"]}, "styles.file", "is not CSV: line 2: field larger"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, styles: Any, key: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text("title,text\n")
    (tmp_path / "long.csv").write_text("name,prompt\nx," + "y" * 200_000)
    (found,) = problems(styles=styles)
    assert found.key == key
    assert message in str(found)


def swept(*values: Any, **more: Any) -> list[tuple[str, str, str]]:
    styles = {"file": "styles.csv"}
    plan = planned(styles=styles, sweep=[{"styles.use": list(values)}], **{"prompts": ["a sea"]} | more)
    return [(dict(job.labels)["styles.use"], job.shot.prompt, job.shot.negative) for job in plan]


def test_styles_are_an_axis() -> None:
    assert swept("film", None, ["odd", "film"], negative="fog") == [
        ("film", "a sea, film grain, (35mm:1.2)", "digital, fog"),
        ("none", "a sea", "fog"),
        ("odd + film", "a sea, a, b, film grain, (35mm:1.2)", "digital, fog"),
    ]
    own = [{"text": "{x|y}", "negative": "own"}]
    assert [text for _, text, _ in swept("odd", [], prompts=own)] == ["x, a, b", "x", "y, a, b", "y"]
    assert swept("film", prompts=own)[0][2] == "digital, own"


def test_an_axis_of_styles_in_a_plan(file: Path) -> None:
    file.write_text("name;prompt;negative_prompt\ntwo;{prompt} AND sky;\ndrawn;{~red|blue} light;\n", "utf-8")
    styles, sweep = {"file": "styles.csv"}, [{"styles.use": ["two", "drawn", None]}]
    plan = planned(styles=styles, sweep=sweep, prompts=["a", "b"], seeds="0..2")
    assert len(plan) == 18
    first, group = plan.alike()
    for i, job in enumerate(plan):
        same = plan[int(first[group[i]])]
        assert part_count(job.shot) == part_count(same.shot)
        assert job.id == job.shot.id
    assert len({job.shot.prompt for job in plan}) == 6
    skipped = planned(styles=styles, sweep=sweep, skip=[{"styles.use": "drawn"}])
    assert [dict(job.labels)["styles.use"] for job in skipped] == ["two", "none"]


@pytest.mark.parametrize(
    ("styles", "values", "message"),
    [
        ({"file": "styles.csv"}, ["flim"], "there is no style 'flim' (did you mean 'film'?)"),
        ({}, ["film"], "styles.file: is missing"),
        ({"file": "styles.csv"}, [7], "7 is not a name of a style, a list of names or null"),
        ({"file": "styles.csv"}, ["night"], "cannot be swept; write {~a|b} to draw, or use -m styles.use=a,b"),
        ({"file": "styles.csv", "use": ["film"]}, ["odd", None], "is set as well (remove one of them)"),
        ({"file": "styles.csv"}, "film", "is not a list of values"),
    ],
)
def test_wrong_axes_of_styles(styles: dict[str, Any], values: Any, message: str) -> None:
    (found,) = problems(styles=styles, sweep=[{"styles.use": values}])
    assert message in str(found)
