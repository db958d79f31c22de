"""A plan of several models through all tasks: each job keeps the weights that it names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sdbatch.engine import renderers
from sdbatch.media import metadata
from sdbatch.models.source import Source
from sdbatch.spec.renderer import Renderer
from tests.tasks.conftest import Folder

TWO = {"models": ["fake", {"name": "other", "clip_skip": 2}]}


def skips(folder: Folder) -> list[int]:
    """Clip skip in the metadata of every picture."""
    files = sorted(folder.store.root.glob("images/*.png"))
    return [metadata.read(file)["job"]["shot"]["model"].get("clip_skip", 1) for file in files]


def data(script: Path) -> list[Any]:
    """The arguments of the call that a script of the page consists of."""
    return json.loads(f"[{script.read_text().partition('(')[2].rpartition(')')[0]}]")


def test_it_is_rendered_verified_and_rendered_again(folder: Folder) -> None:
    assert folder.run(**TWO) == 0
    assert sorted(skips(folder)) == [1] * 4 + [2] * 4
    code, said = folder.json()  # without TWO: another plan
    assert (code, said["recorded"]) == (0, 4)
    assert folder.run(task="verify", **TWO) == 0
    assert "8 bit-equal" in folder.out
    assert folder.run(task="verify", prompts=[], **TWO) == 0  # the stored plan
    assert "8 bit-equal" in folder.out
    for n in (0, 4, 7):
        assert folder.run(task="reproduce", source=str(folder.path("images/*.png", n)), **TWO) == 0
        assert "bit-equal" in folder.out


def test_the_plan_says_how_many_are_loaded(folder: Folder) -> None:
    assert folder.run(task="plan", plan={"format": "json"}, **TWO) == 0
    report = json.loads(folder.out)
    assert report["models"] == {"weights": ["fake:1", "fake:1"], "loads": 2}
    assert folder.run(task="plan", **TWO) == 0
    assert "2 models, which every process loads once at most" in folder.out
    assert folder.run(**TWO, skip=[{"models": "fake"}]) == 0
    assert folder.run(task="plan", plan={"format": "json"}, **TWO) == 0
    assert json.loads(folder.out)["models"]["loads"] == 1


def test_a_final_keeps_the_model_of_its_draft(folder: Folder) -> None:
    assert folder.run(**TWO) == 0
    drafts = [r.id for r in folder.store.ledger().records()]
    final = {"jobs": drafts, "set": {"sampling.steps": 9}, "name": "little"}
    assert folder.run(task="final", final=final, **TWO) == 0
    assert sorted(skips(folder)) == [1] * 8 + [2] * 8
    one = {"jobs": drafts[:1], "set": {"sampling.steps": 9}}
    others = ["fake", {"name": "other", "clip_skip": 3}, {"name": "third", "clip_skip": 4}]
    assert folder.run(task="final", final={**one, "name": "again"}, models=others) == 0
    lost = next(
        r.id for r in folder.store.ledger().records() if "clip_skip" in str(metadata.read(folder.store.file(r)))
    )
    assert "none of them are the weights of" in folder.wrong(task="final", final={**one, "jobs": [lost]}, models=others)


def test_the_page_has_the_command_of_each_model(folder: Folder) -> None:
    assert folder.run(**TWO, gallery={"enabled": True}) == 0
    page = folder.store.root / "gallery"
    _, plan = data(page / "plan.js")
    assert (plan["command"], [a["title"] for a in plan["axes"]][2]) == ([], "model")
    jobs = data(page / "jobs-000.js")[-1]
    commands = [" ".join(s["command"]) for s in jobs["settings"]]
    assert len(commands) == 2
    assert commands[0].startswith("model=fake canvas")
    assert commands[1].startswith("model=fake model.clip_skip=2 canvas")


def test_work_on_one_model_opens_that_one_first(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.run(models=["fake"]) == 0
    seen: list[list[int]] = []
    real = renderers.RENDERERS["fake"]

    def spy(sources: Sequence[Source], *more: Any) -> Renderer:
        seen.append([s.model.clip_skip for s in sources])
        return real(sources, *more)

    monkeypatch.setitem(renderers.RENDERERS, "fake", spy)
    assert folder.run(**TWO) == 0
    assert seen == [[2, 1]]
