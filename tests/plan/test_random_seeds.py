"""seeds: random: drawn once, then the same; new ones on request; processes that start together agree."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sdbatch import files
from sdbatch.plan import drawn_seeds
from sdbatch.plan.drawn_seeds import Draw
from sdbatch.tasks import dispatch
from tests.config.building import problems, sdbatch

ARGUMENTS = ("model=fake", "prompts=[a sea]", "canvas=[64x64]", "name=x", "gallery.enabled=false")


def seeds_of(folder: Path) -> list[int]:
    lines = (folder / "outputs/x/plan.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["shot"]["seed"] for line in lines if '"shot"' in line]


def render(folder: Path, *more: str) -> list[int]:
    done = sdbatch(*ARGUMENTS, *more, cwd=folder)
    assert done.returncode == 0, done.stderr
    return seeds_of(folder)


def test_the_same_command_finds_the_same_seeds_and_more_of_them_begin_alike(tmp_path: Path) -> None:
    first = render(tmp_path, "seeds=random*3")
    assert len(set(first)) == 3
    assert render(tmp_path, "seeds=random*3") == first
    assert len(list((tmp_path / "outputs/x/images").iterdir())) == 3
    assert render(tmp_path, "seeds=random*5")[:3] == first
    assert render(tmp_path, "seeds=random") == first[:1]
    others = render(tmp_path, "seeds=random*3", "new_seeds=true")
    assert not set(others) & set(first)
    assert render(tmp_path, "seeds=random*3") == others


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = sdbatch(*ARGUMENTS, "seeds=random*3", "task=plan", "plan.format=json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["jobs"]) == (0, 3)
    assert not (tmp_path / "outputs").exists()


def test_a_dry_run_says_that_its_seeds_are_an_example(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)

    def example(form: str = "table", **more: Any) -> bool:
        data: dict[str, Any] = {
            "name": "x",
            "prompts": ["a sea"],
            "model": {"kind": "fake"},
            "seeds": "random",
            "task": "plan",
        }
        assert dispatch.run(data | {"plan": {"format": form}} | more) == 0
        out = capsys.readouterr().out
        return not json.loads(out)["seeds_drawn"] if form == "json" else "random seeds are drawn when" in out

    assert example()
    assert example("json")
    assert not example(seeds=[7])
    drawn_seeds.keep(tmp_path / "outputs/x", Draw("0" * 32, False), replace=False)
    assert not example()
    assert not example("json")
    assert example(new_seeds=True)


def test_worker_processes_and_tasks_use_the_kept_seeds(tmp_path: Path) -> None:
    first = render(tmp_path, "seeds=random*6", "new_seeds=true", "runtime.processes=2")
    assert len(list((tmp_path / "outputs/x/images").iterdir())) == 6
    done = sdbatch(*ARGUMENTS, "seeds=random*6", "task=verify", cwd=tmp_path)
    assert (done.returncode, seeds_of(tmp_path)) == (0, first), done.stdout + done.stderr


def test_only_the_first_draw_is_kept(tmp_path: Path) -> None:
    one, other = Draw("0" * 32, False), Draw("1" * 32, False)
    drawn_seeds.keep(tmp_path, one, replace=False)
    drawn_seeds.keep(tmp_path, other, replace=False)
    assert (tmp_path / drawn_seeds.NAME).read_text() == "0" * 32 + "\n"
    drawn_seeds.keep(tmp_path, other, replace=True)
    assert (tmp_path / drawn_seeds.NAME).read_text() == "1" * 32 + "\n"
    (tmp_path / drawn_seeds.NAME).write_text("damaged")
    drawn_seeds.keep(tmp_path, one, replace=False)
    assert (tmp_path / drawn_seeds.NAME).read_text() == "0" * 32 + "\n"
    assert [p.name for p in tmp_path.iterdir()] == [drawn_seeds.NAME]


def test_a_draw_is_kept_although_others_remove_its_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the name of all temporary files, so the next run removes what a killed process left."""
    link, sources = os.link, list[Path]()

    def removed_first(source: Path, path: Path) -> None:
        sources.append(source)
        if len(sources) == 1:
            source.unlink()
        link(source, path)

    monkeypatch.setattr("os.link", removed_first)
    drawn_seeds.keep(tmp_path, Draw("0" * 32, False), replace=False)
    assert (tmp_path / drawn_seeds.NAME).read_text() == "0" * 32 + "\n"
    assert all(source.name.startswith(files.TEMPORARY) for source in sources)
    assert len({source.name for source in sources}) == 2


def test_file_systems_without_hard_links_keep_the_first_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    for digit in "01":
        drawn_seeds.keep(tmp_path, Draw(digit * 32, False), replace=False)
        assert (tmp_path / drawn_seeds.NAME).read_text() == "0" * 32 + "\n"
    assert [p.name for p in tmp_path.iterdir()] == [drawn_seeds.NAME]


def test_seeds_of_a_draw_are_pinned() -> None:
    """They decide ids, so they never change."""
    assert Draw("0" * 32, True).seeds(3) == PINNED
    assert len(set(Draw("0" * 32, True).seeds(5000))) == 5000


PINNED = (3027754055, 2585317774, 3860475674)


@pytest.mark.parametrize("value", ["random*0", "random*-1", "random*x", ["random", 1], "random*99999999"])
def test_other_forms_are_refused(value: object) -> None:
    (problem,) = problems({"seeds": value})
    assert problem.key == "seeds"
    assert "random*4" in problem.message


def test_they_cannot_be_swept() -> None:
    (problem,) = problems({"sweep": [{"seeds": ["random*2"]}]})
    assert (problem.key, problem.message) == ("sweep[0].seeds", "random seeds cannot be swept")


def test_shards_would_each_draw_their_own(tmp_path: Path) -> None:
    done = sdbatch(*ARGUMENTS, "seeds=random*2", "new_seeds=true", "shard.count=2", cwd=tmp_path)
    assert (done.returncode, "new_seeds: every shard would draw its own" in done.stderr) == (2, True)
    assert not (tmp_path / "outputs").exists()
