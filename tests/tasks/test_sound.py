"""Every task finds the sound of videos in the experiment's folder."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from tests.config.building import planned
from tests.sound.clicks import clicks, heard
from tests.tasks.conftest import Folder

ZOOM = {"mode": "zoom", "seconds": 2, "fps": 8, "zoom": [[0, 1], ["end", 1.5]]}


def test_every_task_finds_the_sound_in_the_folder(folder: Folder) -> None:
    audio = clicks(folder.root / "beat.wav")
    zoom = ZOOM | {"zoom": {"wave": "beats", "from": 1, "to": 1.5}}
    more: dict[str, Any] = {"motion": zoom, "encoding": {"audio": "beat.wav"}, "prompts": ["a sea"], "seeds": [1]}
    assert folder.run(**more) == 0
    (video,) = folder.store.root.glob("videos/*.mp4")
    assert heard(video)[1] == pytest.approx([0.5, 1.0, 1.5], abs=0.002)
    (kept,) = folder.store.root.glob("sounds/*")
    assert kept.read_bytes() == audio.read_bytes()
    assert folder.json(**{})[1]["recorded"] == 0  # another experiment: pictures

    audio.unlink()
    assert "encoding.audio: 'beat.wav' cannot be read" in folder.wrong(**more)
    alone = more | {"prompts": [], "encoding": {}}
    assert folder.run(**alone, task="verify") == 0
    assert "1 bit-equal" in folder.out
    assert folder.run(**alone, task="reproduce", source=str(video)) == 0
    assert (folder.root / "reproduced" / video.name).read_bytes() == video.read_bytes()
    job_id = next(iter(folder.store.ledger()))
    final = {"jobs": [job_id], "set": {"sampling.steps": 2}}
    assert folder.run(**alone, task="final", final=final) == 0
    (better,) = folder.root.glob("outputs/little-final/videos/*.mp4")
    assert heard(better)[1] == pytest.approx([0.5, 1.0, 1.5], abs=0.002)

    moved = (folder.root / "moved.mp4").write_bytes(video.read_bytes()) and folder.root / "moved.mp4"
    assert "name the file with encoding.audio" in folder.wrong(**alone, task="reproduce", source=str(moved))
    clicks(folder.root / "other.wav")
    found = alone | {"encoding": {"audio": "other.wav"}}
    assert folder.run(**found, task="reproduce", source=str(moved)) == 0

    (folder.store.root / "sounds/0123").write_bytes(b"x")
    assert folder.run(**alone, task="prune", prune={"apply": True}) == 0
    assert list(folder.store.root.glob("sounds/*")) == [kept]


def test_a_full_disk_is_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    clicks(folder.root / "beat.wav")
    more: dict[str, Any] = {"motion": ZOOM, "encoding": {"audio": "beat.wav"}, "prompts": ["a sea"], "seeds": [1]}
    with monkeypatch.context() as patched:
        patched.setattr("sdbatch.runner.outputs.shutil.copyfile", full)
        assert folder.run(**more) == 1
    assert "no space left on the disk" in folder.out
    assert folder.run(**more) == 0


def test_a_sound_that_changes_during_a_run_fails_its_video(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    clicks(folder.root / "beat.wav")
    plan = planned(motion=ZOOM, encoding={"audio": "beat.wav"})
    clicks(folder.root / "beat.wav", 90)
    monkeypatch.setattr("sdbatch.tasks.workload.make_plan", lambda _: plan)
    assert folder.run(motion=ZOOM, encoding={"audio": "beat.wav"}) == 1
    assert "has been changed since this run began" in folder.out
    assert not list(folder.store.root.glob("sounds/*"))
