"""``output.names``: file names with values of the job, in every task that reads or writes files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sdbatch.spec.file_names import LONGEST
from tests.config.building import VIDEO, planned, problems
from tests.tasks.conftest import Folder

SWEEP = [{"sampling.guidance": [2, 7.5]}, {"sampling.sampler": ["ddim", "euler"]}]


def names(template: str, **more: Any) -> list[str]:
    plan = planned(output={"names": template}, **{"sweep": SWEEP} | more)
    return [Path(job.path).stem.replace(job.id, "ID") for job in plan]


@pytest.mark.parametrize(
    ("template", "first"),
    [
        ("{prompt}-{sampling.guidance}", "a-sea-2-ID"),
        ("{sweep}", "guidance-2_sampler-ddim-ID"),
        ("{id}_{seed:4}", "ID_0000"),
        ("{sampling.guidance:5}+{sampling.steps}", "00002+24-ID"),
        ("{prompts:3}.{canvas}.{size}", "a-s.1-1.128x128-ID"),
        ("{negative}-{prompt}", "a-sea-ID"),
        ("{prompt}_{encoding.codec}_{seed}", "a-sea_0-ID"),  # of a picture there is no codec
        ("...x", "x-ID"),
        ("{negative}", "ID"),
        ("{prompt}-s{seed}-{id}", "a-sea-s0-ID"),
    ],
)
def test_a_template_gives_names(template: str, first: str) -> None:
    assert names(template)[0] == first


def test_names_are_safe_short_and_distinct() -> None:
    wild = ["../../etc/passwd", "con", "Ünïcödé / 日本", "a" * 300, "x\ny:?*<>|\"'\\", "."]
    for template in ("{negative}", "{negative}-{id}-{negative}-{negative}", "{negative}" * 20, "{id}{negative}"):
        found = names(template, sweep=[{"negative": wild}, {"seeds": [1, 2]}], seeds=0)
        plan = planned(output={"names": template}, sweep=[{"negative": wild}])
        assert all(re.fullmatch(r"[A-Za-z0-9_+=,-][A-Za-z0-9._+=,-]*[A-Za-z0-9_+=,-]", name) for name in found), found
        assert all("ID" in name for name in found)
        assert max(len(Path(job.path).stem) for job in plan) <= LONGEST
        assert len({job.path.lower() for job in plan}) == len(plan)


def test_signs_and_motion_are_shown() -> None:
    found = names("x{motion.x}", motion=VIDEO | {"phrase": "{x}"}, sweep=[{"motion.x": [-0.5, 0.25]}])
    assert found == ["x-0.5-ID", "x0.25-ID"]
    assert names("{encoding.codec}_{motion.seconds}", motion=VIDEO, sweep=[]) == ["h264-ID"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{promt}", "unknown field {promt} (did you mean 'prompt'?)"),
        ("{steps}", "unknown field {steps} (did you mean 'sampling.steps'?)"),
        ("{}", "unknown field {}"),
        ("{seed:04d}", "{seed:04d} has no valid width"),
        ("a/{prompt}", "'/' cannot be in a file name (output.folder and name choose the folder)"),
        ("{prompt", "'{' cannot be in a file name"),
        ("a b?", "' ?' cannot be in a file name"),
        ("", "is empty"),
        ("ä", "'ä' cannot be in a file name"),
    ],
)
def test_a_wrong_template_is_refused(template: str, message: str) -> None:
    (found,) = problems(output={"names": template})
    assert found.key == "output.names"
    assert message in str(found)


def test_all_mistakes_are_named_at_once() -> None:
    assert len(problems(output={"names": "{a}/{b}"}, motion={"mode": "zoom", "frames": 3, "cadence": 3})) == 4


NAMED: dict[str, Any] = {"output": {"names": "{prompt}_{sampling.guidance}"}, "sweep": [{"sampling.guidance": [2, 3]}]}


@pytest.mark.parametrize("video", [False, True])
def test_every_task_finds_files_by_their_records(folder: Folder, video: bool) -> None:
    more = NAMED | {"seeds": [3], "prompts": ["a sea"]} | ({"motion": VIDEO} if video else {})
    assert folder.run(**more) == 0
    kind = "videos" if video else "images"
    files = sorted(p.name for p in (folder.store.root / kind).iterdir())
    assert all(name.startswith(("a-sea_2-j", "a-sea_3-j")) for name in files)
    before = folder.tree(f"outputs/little/{kind}/*")

    assert folder.run(**more) == 0
    assert "2 done before" in folder.out
    for other in (
        more,
        more | {"output": {}},
        more | {"prompts": [{"id": "b", "text": "a sea"}]},
        more | {"prompts": []},
    ):
        assert _findings(folder, other) == []

    victim = folder.path(f"{kind}/*.{'mp4' if video else 'png'}")
    victim.unlink()
    assert _findings(folder, more | {"prompts": []}, repair=True) == []
    assert folder.tree(f"outputs/little/{kind}/*") == before
    assert folder.run(**more, task="prune", prune={"apply": True}) == 0
    assert folder.tree(f"outputs/little/{kind}/*") == before
    assert folder.run(**more, task="reproduce", source=str(victim)) == 0
    assert (folder.root / "reproduced" / victim.name).read_bytes() == victim.read_bytes()


def _findings(folder: Folder, more: dict[str, Any], **settings: Any) -> list[Any]:
    assert folder.run(**more, task="verify", verify={"format": "json"} | settings) == 0
    found = json.loads(folder.out)
    assert found["recorded"] == 2
    return [f for f in found["findings"] if f["status"] != "repaired"]


def test_files_keep_their_names_and_the_page_shows_them(folder: Folder) -> None:
    more: dict[str, Any] = {"seeds": [3], "prompts": ["a sea"], "gallery": {"enabled": True}}
    assert folder.run(**more) == 0
    (path,) = (folder.store.root / "images").iterdir()
    later = more | {"output": {"names": "{seed}"}}
    assert folder.run(**later) == 0
    assert path.name in folder.out
    assert folder.run(**later, task="gallery") == 0
    assert path.name in (folder.store.root / "gallery/jobs-000.js").read_text()
    assert folder.run(**later, task="csv") == 0
    assert path.name in (folder.store.root / "records.csv").read_text()

    path.unlink()
    assert folder.run(**later) == 0
    (new,) = (folder.store.root / "images").iterdir()
    assert new.name.startswith("3-j")
    assert new.name in (folder.store.root / "gallery/jobs-000.js").read_text()


def test_finals_are_named_by_their_new_values(folder: Folder) -> None:
    more = NAMED | {"seeds": [3], "prompts": ["a sea"]}
    assert folder.run(**more) == 0
    job_id = next(iter(folder.store.ledger()))
    final = {"jobs": [job_id], "set": {"sampling.guidance": 9}}
    assert folder.run(**more, task="final", final=final) == 0
    assert [p.name[:9] for p in (folder.root / "outputs/little-final/images").iterdir()] == ["a-sea_9-j"]
    assert folder.run(**more | {"output": {}}, task="final", final=final | {"name": "other"}) == 0
    assert [p.name[:10] for p in (folder.root / "outputs/other/images").iterdir()] == ["a-sea-s3-j"]
