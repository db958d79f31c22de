"""Every task on pictures and on videos of every codec: one render, then all the others on what it left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdbatch import video_reader
from sdbatch.config.registry import TASKS
from sdbatch.spec import file_names
from sdbatch.spec.codecs import CODECS
from sdbatch.store import Store
from tests.tasks.conftest import Folder

VIDEO = {"mode": "prompt", "frames": 3, "fps": 4, "phrase": "at {t:.2f}"}
KINDS: dict[str, dict[str, Any]] = {"still": {}} | {
    codec: {"motion": VIDEO, "encoding": {"codec": codec, "quality": 30}, "seeds": [0]} for codec in CODECS
}


ELSEWHERE = {"studio", "watch", "check"}  # servers that run until they are stopped, and what reads another folder


def settings(task: str, folder: Folder) -> dict[str, Any]:
    """What ``task`` needs beyond the experiment."""
    first = next(folder.store.ledger().records())
    return {  # type: ignore[return-value]
        "check": {"source": "publish/little.zip"},
        "reproduce": {"source": str(folder.store.file(first))},
        "final": {"final": {"jobs": first.id, "set": {"sampling.steps": 9}}},
        "init": {"init": {"folder": str(folder.root / "project")}},
        "submit": {"submit": {"workers": 1, "dry": True}},
    }.get(task, {})


@pytest.mark.parametrize("kind", KINDS)
def test_every_task(folder: Folder, kind: str) -> None:
    data = KINDS[kind] | {"gallery": {"enabled": True}}
    assert folder.run(**data) == 0
    records = list(folder.store.ledger().records())
    before = folder.tree()
    for task in (t for t in TASKS if t not in ELSEWHERE and (kind != "still" or t != "cut")):
        assert folder.run(**data | settings(task, folder) | {"task": task}) == 0, task
    after = folder.tree()
    assert {name: after[name] for name in before} == before
    film = set() if kind == "still" else {"little.json", f"little.{CODECS[kind].suffix}"}
    assert {Path(name).name for name in after.keys() - before.keys()} == {"sheet.png", "records.csv"} | film
    (final,) = Store(folder.root / "outputs/little-final").ledger().records()
    assert Path(final.path).suffix == Path(records[0].path).suffix
    again = folder.root / "reproduced" / Path(records[0].path).name
    assert again.read_bytes() == folder.store.file(records[0]).read_bytes()


@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_video_is_repaired_with_what_lies_beside_it(folder: Folder, codec: str) -> None:
    assert folder.run(**KINDS[codec]) == 0
    before = folder.tree()
    video = folder.store.file(next(folder.store.ledger().records()))
    for path in (*file_names.companions(video), video):
        path.unlink()
        assert folder.run(task="verify", verify={"repair": True}, **KINDS[codec]) == 0
        assert "repair" in folder.out, path
        assert folder.tree() == before


@pytest.mark.parametrize("codec", CODECS)
def test_a_final_may_have_another_codec(folder: Folder, codec: str) -> None:
    assert folder.run(**KINDS["h264"]) == 0
    first = next(iter(folder.store.ledger()))
    change = {"encoding.codec": codec, "encoding.quality": 20}
    assert folder.run(task="final", final={"jobs": first, "set": change}) == 0
    store = Store(folder.root / "outputs/little-final")
    (record,) = store.ledger().records()
    assert record.path.endswith(f".{CODECS[codec].suffix}")
    assert len(list(video_reader.decode(store.file(record)))) == 3
