"""task=verify: unchanged files are bit-equal; every change is found, named and repaired."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sdbatch import files, motion
from sdbatch.engine import fake
from sdbatch.engine.renderers import open_renderer
from sdbatch.errors import ConfigError, Interrupted
from sdbatch.media import png
from sdbatch.plan import parse
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Feed, Pixels
from sdbatch.tasks import rerender
from tests.tasks.conftest import VIDEOS, Folder

DRAW = fake.draw


def _noisy(shot: Shot, feed: Feed | None = None) -> Pixels:
    """As an unsteady machine draws: one step more in one channel of one pixel."""
    pixels = DRAW(shot, feed).copy()
    pixels[3, 5, 1] ^= 1
    return pixels


def test_unchanged_files_are_bit_equal(stills: Folder) -> None:
    before = stills.tree()
    code, said = stills.json()
    assert (code, said["counts"]["bit_equal"], said["recorded"], said["findings"]) == (0, 4, 4, [])
    assert stills.tree() == before
    assert stills.run(task="verify") == 0
    assert "4 bit-equal" in stills.out


@pytest.mark.parametrize("mode", VIDEOS)
def test_videos_of_every_mode(folder: Folder, videos: Callable[[str], dict[str, Any]], mode: str) -> None:
    more = videos(mode)
    assert folder.run(task="verify", **more) == 0
    assert "2 bit-equal" in folder.out


def test_every_video_mode_is_tried() -> None:
    assert set(VIDEOS) == motion.MODES.keys() - {"still"}


def test_order_neighbours_and_samples(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    real = rerender.rendered

    def spy(jobs, *rest):
        seen.append([job.id for job in jobs])
        return real(jobs, *rest)

    monkeypatch.setattr(rerender, "rendered", spy)
    for seed in range(4):
        assert stills.run(task="verify", verify={"seed": seed}) == 0
    planned = [json.loads(line)["id"] for line in stills.store.plan.read_text().splitlines()]
    assert len(seen) == 4
    assert all(sorted(ids) == sorted(planned) for ids in seen)
    assert len({tuple(ids) for ids in seen}) > 1, "every seed shuffles the jobs in its own way"
    seen.clear()
    for seed in range(8):
        assert stills.json(sample=2, seed=seed)[1]["counts"]["bit_equal"] == 2
    assert all(len(set(ids)) == 2 for ids in seen)
    assert len({frozenset(ids) for ids in seen}) > 1, "every seed chooses its own sample"
    assert set().union(*seen) == set(planned), "no job is left out by every seed"
    assert stills.json(sample=0)[1]["counts"]["bit_equal"] == 0
    assert stills.run(task="verify", verify={"sample": 99}) == 0


def test_it_is_rendered_as_recorded(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and threads are those of the profile, not those of the configuration."""
    assert folder.run(runtime={"rows": 3}) == 0
    asked = []
    real = open_renderer

    def spy(source, model, runtime):
        asked.append(runtime)
        return real(source, model, runtime)

    monkeypatch.setattr(rerender, "open_renderer", spy)
    assert folder.run(task="verify", runtime={"rows": 16, "threads": 5, "device": "cuda"}) == 0
    assert [(r.rows, r.threads, r.device, r.dtype) for r in asked] == [(3, 1, "cpu", "float32")]


def test_what_this_machine_cannot_do_is_done_otherwise(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded on a device that is not here: rendered here, measured and reported."""
    path = stills.path("profiles/*")
    there = parse.profile(json.loads(path.read_text()))
    cuda = replace(there, device="cuda", device_name="H100")
    path.unlink()
    path.with_name(f"{cuda.digest}.json").write_text(json.dumps(cuda.asdict()))
    text = stills.store.manifest.read_text()
    stills.store.manifest.write_text(text.replace(there.digest, cuda.digest))
    real = open_renderer

    def no_cuda(source, model, runtime):
        if runtime.device == "cuda":
            raise ConfigError.one("runtime.device", "cuda is not available here")
        return real(source, model, runtime)

    monkeypatch.setattr(rerender, "open_renderer", no_cuda)
    assert stills.run(task="verify") == 0
    assert "device cuda then, cpu now; device_name H100 then" in stills.out


def test_damage_is_found_without_rendering(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (stills.path("images/*", n) for n in range(3))
    one.unlink()
    two.write_bytes(two.read_bytes()[:-200])
    data = bytearray(three.read_bytes())
    data[len(data) // 2] ^= 1
    three.write_bytes(data)
    monkeypatch.setattr(fake, "draw", None)
    code, said = stills.json(sample=0)
    assert code == 3
    found = {f["path"]: (f["status"], f["note"]) for f in said["findings"]}
    assert found == {
        f"images/{one.name}": ("missing", "the file is missing"),
        f"images/{two.name}": ("changed", "the file was changed, 200 bytes shorter"),
        f"images/{three.name}": ("changed", "the file was changed"),
    }


def test_repair_gives_the_same_bytes(folder: Folder, videos: Callable[[str], dict[str, Any]]) -> None:
    more = videos("feedback")
    before = folder.tree()
    folder.path("videos/*.mp4").write_bytes(b"not a video")
    folder.path("videos/*.png", 1).unlink()
    assert folder.run(task="verify", **more) == 3
    assert "verify.repair=true repairs 2 files" in folder.out
    assert folder.run(task="verify", verify={"repair": True}, **more) == 0
    assert "2 repair" in folder.out
    assert folder.tree() == before


def test_different_bits_within_a_profile(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "draw", _noisy)
    before = stills.tree()
    code, said = stills.json()
    assert (code, said["counts"]["differs"]) == (3, 4)
    distance = said["findings"][0]["distance"]
    assert distance["largest"] == 1
    assert distance["psnr"] == pytest.approx(10 * np.log10(255**2 * 48 * 32 * 3), abs=0.01)
    assert stills.tree() == before
    assert stills.run(task="verify") == 3
    assert "is the current one: no version or setting explains this" in stills.out


def test_different_bits_under_another_profile(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "draw", _noisy)
    monkeypatch.setattr(fake, "version", lambda package: "9.9")
    code, said = stills.json()
    assert (code, said["counts"]["differs_other_profile"]) == (1, 4)
    (differs,) = said["profiles"].values()
    assert differs == [{"key": "numpy", "recorded": np.__version__, "present": "9.9"}]
    stills.run(task="verify")
    assert f"numpy {np.__version__} then, 9.9 now" in stills.out


def test_equal_bits_under_another_profile(folder: Folder, videos, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files differ (they name their profile), the pixels do not."""
    more = videos("prompt")
    monkeypatch.setattr(fake, "version", lambda package: "9.9")
    assert folder.run(task="verify", **more) == 0
    assert "2 bit-equal" in folder.out


def test_videos_that_differ_name_the_frames(folder: Folder, videos, monkeypatch: pytest.MonkeyPatch) -> None:
    more = videos("prompt")

    def late(shot: Shot, feed: Feed | None = None) -> Pixels:
        return 255 - DRAW(shot, feed) if "at 1.00" in shot.prompt else DRAW(shot, feed)

    monkeypatch.setattr(fake, "draw", late)
    assert folder.run(task="verify", **more) == 3
    assert "1 of 5 shots, the first is 4" in folder.out
    for path in folder.store.root.glob("shots/*/*/*"):
        path.unlink()
    assert folder.run(task="verify", **more) == 3
    assert "of 5 frames, the first is 3" in folder.out, "x264 shares bits between neighbours"


def test_jobs_that_cannot_be_rendered_again(stills: Folder) -> None:
    assert stills.run(task="verify", model={"kind": "fake", "fake": {"fail": ["lighthouse"]}}) == 1
    assert "2 cannot be rendered" in stills.out
    assert "simulated failure" in stills.out


def test_nothing_to_compare(folder: Folder) -> None:
    assert folder.run(task="verify") == 1
    assert "nothing to compare" in folder.out
    assert not (folder.root / "outputs").exists()


def test_other_settings_are_named(stills: Folder) -> None:
    assert stills.run(task="verify", sampling={"steps": 5}) == 1
    assert "the folder holds 4 records of other jobs" in stills.out


def test_jobs_that_failed_are_not_taken_for_others(folder: Folder) -> None:
    assert folder.run(model={"kind": "fake", "fake": {"fail": ["torii", "lighthouse"]}}) == 1
    assert folder.run(task="verify") == 1
    assert "0 of 4 jobs recorded" in folder.out
    assert "other jobs" not in folder.out


def test_the_kept_plan_without_the_experiment(stills: Folder) -> None:
    """A name is enough: the folder says what was rendered, and with which model."""
    assert stills.run(task="verify", prompts=[], model={"kind": "random_sd15"}) == 0
    assert "4 bit-equal" in stills.out
    assert "prompts" in stills.wrong(task="verify", prompts=[], name="nothing")


@pytest.mark.parametrize("how", ["gone", "edited"])
def test_a_profile_that_was_damaged(stills: Folder, how: str) -> None:
    """Its digest is its name. The pictures say the same profile, so it is known all the same, and put back."""
    before = stills.tree()
    path = stills.path("profiles/*")
    path.unlink() if how == "gone" else path.write_text(path.read_text().replace('"cpu"', '"cuda"'))
    assert stills.tree() != before
    code, said = stills.json(sample=0)
    assert (code, said["findings"][0]["status"]) == (3, "missing" if how == "gone" else "changed")
    assert stills.run(task="verify") == 3
    assert "4 bit-equal" in stills.out
    assert f"profiles/{path.name}: the profile of its jobs" in stills.out
    assert "it was read from their metadata" in stills.out
    assert stills.run(task="verify", verify={"repair": True}) == 0
    assert stills.tree() == before


def test_a_profile_that_nothing_says(folder: Folder) -> None:
    none = {"output": {"metadata": "none"}}
    assert folder.run(**none) == 0
    folder.path("profiles/*").unlink()
    assert folder.run(task="verify", **none) == 3
    assert "and is not in their metadata" in folder.out
    assert "is unknown, so its differences from the current one are unknown" in folder.out


@pytest.mark.parametrize(("suffix", "what"), [(".json", "metadata"), (".png", "poster")])
def test_what_lies_beside_a_video(folder: Folder, videos, suffix: str, what: str) -> None:
    more = videos("prompt")
    before = folder.tree()
    one, two = (folder.path("videos/*.mp4", n).with_suffix(suffix) for n in range(2))
    one.unlink()
    two.write_bytes(two.read_bytes() + b" ")
    assert folder.run(task="verify", **more) == 3
    assert f"its {what} was changed" in folder.out
    assert "1 changed" in folder.out
    assert "1 missing" in folder.out
    assert folder.run(task="verify", verify={"repair": True}, **more) == 0
    assert folder.tree() == before


def test_a_manifest_that_was_tampered_with(stills: Folder) -> None:
    text = stills.store.manifest.read_text()
    record = json.loads(text.splitlines()[0])
    stills.store.manifest.write_text(text.replace(record["pixels"], "b2:" + "0" * 32))
    assert stills.run(task="verify") == 3
    assert "digest in the manifest was changed" in stills.out


def test_damaged_lines_are_reported(stills: Folder) -> None:
    stills.store.manifest.write_text("X" + stills.store.manifest.read_text())
    code, said = stills.json()
    assert (code, said["recorded"], said["damaged_lines"]) == (0, 3, 1)
    assert stills.run(task="verify") == 0
    assert "1 damaged manifest lines were skipped" in stills.out
    assert stills.run() == 0
    assert stills.json()[1]["damaged_lines"] == 0


def test_another_picture_with_matching_digests(stills: Folder) -> None:
    """File and manifest changed together: rendering again shows it."""
    path = stills.path("images/*")
    other = png.encode(255 - png.decode(path), png.read_text(path))
    record = next(r for r in stills.store.ledger().records() if r.path == f"images/{path.name}")
    pixels = png.pixel_digest(png.decode(other))
    path.write_bytes(other)
    forged = replace(record, size=len(other), file=files.file_digest(path), pixels=pixels)
    text = stills.store.manifest.read_bytes()
    stills.store.manifest.write_bytes(text.replace(record.line(), forged.line()))
    code, said = stills.json()
    assert (code, said["counts"]["differs"]) == (3, 1)
    assert said["findings"][0]["distance"]["psnr"] < 30


def test_a_shard_verifies_its_own(stills: Folder) -> None:
    assert stills.run(task="verify", shard={"index": 1, "count": 3}) == 0
    assert "1 bit-equal" in stills.out


def test_interrupted(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(shot: Shot, feed: Feed | None = None) -> Pixels:
        raise KeyboardInterrupt

    monkeypatch.setattr(fake, "draw", interrupt)
    before = stills.tree()
    with pytest.raises(Interrupted):
        stills.run(task="verify")
    assert stills.tree() == before


def test_in_a_process_of_its_own(stills: Folder) -> None:
    command = [sys.executable, "-m", "sdbatch", "name=little", "task=verify", "verify.format=json"]
    done = subprocess.run(command, cwd=stills.root, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["counts"]["bit_equal"] == 4
