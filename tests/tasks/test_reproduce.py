"""task=reproduce: a file makes itself again, and what it cannot say is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from sdbatch.engine import fake
from sdbatch.media import infotext, png
from sdbatch.spec.jobs import Model
from sdbatch.tasks import foreign
from tests.patience import cpu_limit
from tests.tasks.conftest import VIDEOS, Folder

A1111 = """a castle in the sea <lora:blue:0.7>
Negative prompt: clouds
Steps: 12, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 77, Size: 64x48, Model: dream, Hires steps: 2, Version: v1"""


LINE = "a castle\nSteps: 5, Sampler: {}, Schedule type: {}, CFG scale: 7, Seed: 1, Size: 32x32"


def _again(folder: Folder, source: Path | str, **more: Any) -> int:
    return folder.run(task="reproduce", source=str(source), **more)


def _of_another_tool(folder: Folder, parameters: str, size: tuple[int, int]) -> None:
    """A picture ``theirs.png`` with this infotext."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", parameters)
    Image.new("RGB", size).save(folder.root / "theirs.png", pnginfo=info)


def test_a_picture_bit_for_bit(stills: Folder) -> None:
    before = stills.tree()
    path = stills.path("images/*", 2)
    assert _again(stills, path, prompts=[], model={"kind": "random_sd15"}) == 0, "the model is named by the file"
    assert f"reproduced/{path.name}: bit-equal" in stills.out
    assert (stills.root / "reproduced" / path.name).read_bytes() == path.read_bytes()
    assert stills.tree() == before


@pytest.mark.parametrize("mode", VIDEOS)
def test_videos_of_every_mode(folder: Folder, videos: Callable[[str], dict[str, Any]], mode: str) -> None:
    videos(mode)
    path = folder.path("videos/*.mp4")
    for source in (path, path.with_suffix(".json")):
        assert _again(folder, source, reproduce={"folder": "elsewhere"}) == 0
        assert "bit-equal" in folder.out
        for suffix in (".mp4", ".png", ".json"):
            made = folder.root / "elsewhere" / path.with_suffix(suffix).name
            assert made.read_bytes() == path.with_suffix(suffix).read_bytes()
            made.unlink()


def test_no_file_of_the_original_is_overwritten(folder: Folder, videos: Callable[[str], dict[str, Any]]) -> None:
    videos("prompt")
    before = folder.tree()
    path = folder.path("videos/*.mp4")
    for source in (path, path.with_suffix(".json")):
        said = folder.wrong(task="reproduce", source=str(source), reproduce={"folder": str(path.parent)})
        assert "would be overwritten" in said
    assert folder.tree() == before


def test_metadata_that_travelled_alone(folder: Folder, videos: Callable[[str], dict[str, Any]]) -> None:
    videos("prompt")
    alone = folder.root / "alone.json"
    shutil.copy(folder.path("videos/*.json"), alone)
    assert _again(folder, alone) == 1
    assert "its video is missing" in folder.out
    assert (folder.root / "reproduced/alone.mp4").is_file()


def test_a_video_that_was_encoded_again_is_measured(folder: Folder, videos) -> None:
    videos("prompt")
    path = folder.path("videos/*.mp4")
    other = folder.path("videos/*.mp4", 1)
    alone = folder.root / path.with_suffix(".json").name
    shutil.copy(path.with_suffix(".json"), alone)
    shutil.copy(other, alone.with_suffix(".mp4"))
    assert _again(folder, alone) == 3
    assert "PSNR" in folder.out
    assert "was the file changed?" in folder.out


def test_another_profile_is_named(stills: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "version", lambda package: "9.9")
    assert _again(stills, stills.path("images/*")) == 0
    assert "the profiles differ: numpy" in stills.out
    real = fake.draw
    monkeypatch.setattr(fake, "draw", lambda *a: real(*a) ^ 1)
    assert _again(stills, stills.path("images/*")) == 0
    assert "likely causes: numpy" in stills.out


def test_what_cannot_be_reproduced(stills: Folder) -> None:
    path = stills.path("images/*")
    plain, note = stills.root / "plain.png", stills.root / "note.txt"
    Image.new("RGB", (8, 8)).save(plain)
    note.write_text("hello")
    assert "source: is missing" in stills.wrong(task="reproduce")
    assert f"did you mean '{path.name}'" in stills.wrong(task="reproduce", source=str(path)[:-5] + "x.png")
    assert "has no metadata about how it was rendered" in stills.wrong(task="reproduce", source="plain.png")
    assert "is not a PNG, a video or a .json that can be read" in stills.wrong(task="reproduce", source="note.txt")
    Image.new("RGB", (8, 8)).save(stills.root / "photo.jpg")
    assert "is a JPEG, whose metadata is not supported" in stills.wrong(task="reproduce", source="photo.jpg")
    assert "'outputs' is a folder (name one of its files" in stills.wrong(task="reproduce", source="outputs")
    assert "is not a name of a file" in stills.wrong(task="reproduce", source="a\0b")
    assert "is not a name of a file" in stills.wrong(task="reproduce", source="x" * 300)
    folder = {"folder": str(path.parent)}
    assert "would be overwritten" in stills.wrong(task="reproduce", source=str(path), reproduce=folder)


def test_files_without_metadata(folder: Folder) -> None:
    assert folder.run(output={"metadata": "none"}) == 0
    assert "has no metadata" in folder.wrong(task="reproduce", source=str(folder.path("images/*")))


def _edited(folder: Folder, edit: Callable[[dict[str, Any]], None]) -> Path:
    path = folder.path("images/*")
    data = json.loads(png.read_text(path)["sdbatch"])
    edit(data)
    out = folder.root / "edited.png"
    out.write_bytes(png.encode(png.decode(path), {"sdbatch": json.dumps(data)}))
    return out


def test_weights_that_are_not_here(stills: Folder) -> None:
    def other(data: dict[str, Any]) -> None:
        from sdbatch.plan import parse

        data["job"]["shot"]["model"]["weights"] = "b2:feed"
        data["job"]["id"] = parse.shot(data["job"]["shot"]).id

    said = stills.wrong(task="reproduce", source=str(_edited(stills, other)))
    assert "model: rendered with the weights b2:feed, and model=fake has others" in said
    assert "model.path=FOLDER" in said


def test_metadata_that_was_changed(stills: Folder) -> None:
    def steps(data: dict[str, Any]) -> None:
        data["job"]["shot"]["steps"] += 1

    said = stills.wrong(task="reproduce", source=str(_edited(stills, steps)))
    assert "source.job.id: 'j" in said
    assert "does not match the settings" in said
    assert "was the file changed?" in said


def test_another_tools_picture(folder: Folder) -> None:
    _of_another_tool(folder, A1111, (64, 48))
    assert _again(folder, "theirs.png") == 0
    text = png.read_text(folder.root / "reproduced/theirs.png")["parameters"]
    fields = infotext.parse(text)
    assert (fields["seed"], fields["steps"], fields["sampler"], fields["guidance"]) == (77, 12, "dpmpp_2m_karras", 6.5)
    assert (fields["width"], fields["negative"]) == (64, "clouds")
    for assumption in (
        "weights: 'dream' does not identify them",
        "LoRA blue: not in lora_folders (loras), left out",
        "not used: Hires steps",
        "noise: generated on",
    ):
        assert assumption in folder.out


def test_another_tools_picture_that_says_little(folder: Folder) -> None:
    _of_another_tool(folder, "a castle\nSteps: 5, Sampler: DPM fast, ENSD: 1", (40, 24))
    assert _again(folder, "theirs.png") == 0
    for assumption in (
        "seed: not given, using 0",
        "size: not given, using the picture's 40x24",
        "unknown sampler 'DPM fast'",
    ):
        assert assumption in folder.out
    assert png.decode(folder.root / "reproduced/theirs.png").shape == (24, 40, 3)


@pytest.mark.parametrize(
    ("sampler", "schedule", "taken", "says"),
    [
        ("DPM++ 2M", "Karras", "dpmpp_2m_karras", ""),
        ("dpm++ 2m sde", "karras", "dpmpp_2m_sde_karras", ""),
        ("DPM++ 2M Karras", "Karras", "dpmpp_2m_karras", ""),
        ("Euler a", "Automatic", "euler_a", ""),
        ("Heun", "Uniform", "heun", ""),
        ("DPM++ 2M", "Automatic", "dpmpp_2m_karras", "schedule: 'Automatic' means Karras for DPM++ 2M"),
        ("DPM++ 2M SDE", "Automatic", "dpmpp_2m_sde", "schedule: 'Automatic' means Exponential for DPM++ 2M SDE"),
        ("DPM++ 2M", "Exponential", "dpmpp_2m", "schedule: 'Exponential' is not available for this sampler"),
        ("Euler", "Karras", "euler", "schedule: 'Karras' is not available for this sampler, using that of euler"),
        ("LMS Karras", "Automatic", "lms", "sampler: unknown sampler 'LMS Karras', using lms"),
        ("Restart", "Automatic", "dpmpp_2m_karras", "sampler: unknown sampler 'Restart', using dpmpp_2m_karras"),
    ],
)
def test_samplers_and_schedules_of_another_tool(sampler: str, schedule: str, taken: str, says: str) -> None:
    said = infotext.parse(LINE.format(sampler, schedule))
    job, assumed = foreign.job(said, Model("b2:00"), (32, 32), "source")
    assert job.shot.sampler == taken
    about = [a for a in assumed if a.startswith(("sampler", "schedule"))]
    assert len(about) == bool(says)
    assert not says or says in about[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a [cat:dog:0.5]", "prompt: [from:to:when] and [a|b] change the text at the step; A1111 does so one"),
        ("a <hypernet:x:1>", "prompt: <hypernet:…> is treated as text"),
    ],
)
def test_prompts_of_another_tool(text: str, says: str) -> None:
    _, assumed = foreign.job(infotext.parse(text), Model("b2:00"), (32, 32), "source")
    assert any(a.startswith(says) for a in assumed)
    _, assumed = foreign.job(infotext.parse("a [cat], (dog:1.2)"), Model("b2:00"), (32, 32), "source")
    assert not any(a.startswith("prompt") for a in assumed)


def test_a_hostile_prompt_is_read_in_time() -> None:
    with cpu_limit(20):
        foreign.job(infotext.parse("[" + ":" * 100_000), Model("b2:00"), (32, 32), "source")


def test_what_another_tool_did_besides() -> None:
    line = LINE.format("Euler", "Automatic") + ", Denoising strength: 0.4, VAE: kl.pt, Clip skip: 2, RNG: CPU"
    _, assumed = foreign.job(infotext.parse(line), Model("b2:00"), (32, 32), "source")
    assert assumed == ("weights: not given, using b2:00", "not used: Denoising strength, VAE")


def test_infotext_out_of_range(folder: Folder) -> None:
    _of_another_tool(
        folder, "a castle\nSteps: 50000, Sampler: Euler, CFG scale: 99, Seed: -3, Size: 2x999999", (40, 24)
    )
    said = folder.wrong(task="reproduce", source="theirs.png")
    for part in ("parameters.seed: -3", "parameters.size", "parameters.steps: 50000", "parameters.guidance: 99"):
        assert part in said


def test_a_second_pass_of_another_tool_is_rendered(folder: Folder) -> None:
    _of_another_tool(
        folder, LINE.format("Euler", "Automatic") + ", Hires upscale: 2, Hires upscaler: Lanczos", (64, 64)
    )
    assert _again(folder, "theirs.png") == 0
    assert "theirs.png: PSNR" in folder.out
    assert "not used" not in folder.out


def test_a_picture_that_was_enlarged_afterwards(folder: Folder) -> None:
    _of_another_tool(folder, LINE.format("Euler", "Automatic") + ", Postprocess upscale by: 2", (64, 64))
    assert _again(folder, "theirs.png") == 0
    assert "rendered, but cannot be compared: different sizes: 64x64 and 32x32" in folder.out
    assert "not used: Postprocess upscale by" in folder.out
