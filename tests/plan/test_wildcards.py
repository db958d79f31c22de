"""Wildcard files and draws in an experiment: which values, which ids, and that nothing outside the folder is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdbatch.plan import wildcards
from tests.config.building import planned, problems


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "wildcards"
    (made / "sky").mkdir(parents=True)
    (made / "colours.txt").write_text("\ufeffred\n# a comment\n\n2::green\nred\n", "utf-8")
    (made / "sky" / "day.txt").write_text("sun\n", "utf-8")
    (made / "sky" / "night.txt").write_text("moon\n__colours__ stars\n", "utf-8")
    (made / "sky" / "more").mkdir()
    (made / "sky" / "more" / "odd.txt").write_text("eclipse\n", "utf-8")
    (made / "all.yaml").write_text("ship: [raft, 5]\nland: {flat: [desert], 7: [hill], none: 3}\n", "utf-8")
    (made / "plain.yml").write_text("[one, two]\n", "utf-8")
    return made


def wrong(**data: Any) -> str:
    return "\n".join(map(str, problems(data)))


def texts(*prompts: Any, **more: Any) -> list[str]:
    return [job.shot.prompt for job in planned(prompts=list(prompts), **more)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("__colours__", ["red", "green"]),
        ("a __sky/*__", ["a sun", "a moon", "a red stars", "a green stars"]),
        ("__sky/**__", ["sun", "eclipse", "moon", "red stars", "green stars"]),
        ("__ship__", ["raft", "5"]),
        ("__land/flat__, __land/7__", ["desert, hill"]),
        ("__land/*__", ["hill", "desert"]),
        ("__plain__", ["one", "two"]),
        ("{2$$__colours__}", ["red, green"]),
    ],
)
def test_names_are_files_and_keys(prompt: str, expected: list[str]) -> None:
    assert texts(prompt) == expected


def test_wildcards_are_read_in_prompt_files_and_sweeps(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,text\nx,__colours__ sea\n", "utf-8")
    assert [j.slug for j in planned(prompts=[{"file": "p.csv"}])] == ["x-1", "x-2"]
    assert texts(sweep=[{"prompts": ["__ship__"]}]) == ["raft", "5"]


def test_a_draw_depends_on_text_id_and_seed_alone() -> None:
    prompt = {"id": "a", "text": "{~a|b|c|d|e|f|g|h} __~sky/**__"}
    (alone,) = texts(prompt)
    assert texts("x", "{~y|z}", prompt, seeds="5..6")[-1] == alone
    assert {texts(prompt, wildcards={"seed": seed})[0] for seed in range(8)} > {alone}
    assert len({texts({**prompt, "id": name})[0] for name in "abcdefgh"}) > 2


def test_several_draws_are_several_prompts() -> None:
    template = "{~a|b|c|d|e|f|g|h} {~a|b|c|d|e|f|g|h} {x|y}"
    found = planned(prompts=[{"id": "a", "text": template, "draws": 3}])
    assert [j.slug for j in found] == [f"a-{n}" for n in range(1, 7)]
    more = planned(prompts=[{"id": "a", "text": template, "draws": 4}])
    assert [j.shot.prompt for j in more][:6] == [j.shot.prompt for j in found]
    assert "draws expand to more than 10,000" in wrong(prompts=[{"text": "{a|b}" * 13 + "{~1|2}", "draws": 9}])


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (
            "a __colour__",
            "column 3, \"a <here>__colour__\": __colour__ is unknown in the folder 'wildcards' (did you",
        ),
        ("__init__", r"write \__init__ for these characters"),
        ("__land/none__", "is unknown"),
        ("__sea/*__", "__sea/*__ matches nothing"),
        ("{3$$__ship__}", "asks for 3 of 2 alternatives"),
        ("__empty__", "__empty__ has no values"),
        ("__broken__", "the wildcard file broken.txt is not UTF-8 text"),
        ("__out__", "__out__ is unknown"),
        ("__self__", "the wildcard file self.txt cannot be read: Too many levels of symbolic links"),
        ("__loop__", "wildcards refer to each other: __loop__ → __loop__"),
    ],
)
def test_mistakes_are_named(folder: Path, prompt: str, message: str) -> None:
    (folder / "empty.txt").write_text("# nothing\n")
    (folder / "broken.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "loop.txt").write_text("__loop__\n")
    (folder.parent / "secret.txt").write_text("secret\n")
    (folder / "self.txt").symlink_to("self.txt")
    (folder / "out.txt").symlink_to(folder.parent / "secret.txt")
    (found,) = problems(prompts=[prompt])
    assert found.key == "prompts[0]"
    assert message in str(found)


def test_files_that_cannot_be_used_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = wrong(prompts=["__x__"], wildcards={"folder": "nowhere"})
    assert "needs the folder 'nowhere', which does not exist" in missing
    (folder / "bad.yaml").write_text("a: [b\n")
    assert "the wildcard file bad.yaml: line" in wrong(prompts=["__colours__"])
    (folder / "bad.yaml").unlink()
    monkeypatch.setattr(wildcards, "MAX_VALUES", 1)
    assert "__colours__ has 2 values; at most 1" in wrong(prompts=["__colours__"])
    monkeypatch.setattr(wildcards, "MAX_BYTES", 10)
    assert "is larger than 0 MiB" in wrong(prompts=["__colours__"])
    monkeypatch.setattr(wildcards, "MAX_FILES", 2)
    assert "contains more than 2 wildcard files" in wrong(prompts=["__colours__"])


def test_a_folder_that_is_not_needed_is_not_read() -> None:
    assert texts("a sea", wildcards={"folder": "nowhere"}) == ["a sea"]


def test_ids_of_plain_texts_stay() -> None:
    """What was written before wildcards and draws existed is the same job."""
    found = planned(prompts=["a {red|green} (sea:1.2) [x] BREAK {y} snake_case", r"\{a\|b\}"], model={"kind": "fake"})
    assert found.ids == ["j2d08fa0706e4ec28", "jafeeef90b50395d0", "j64e4631cd8c2f539"]
