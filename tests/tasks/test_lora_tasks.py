"""Every task with LoRAs and textual inversions: the fake renderer, real files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from safetensors.numpy import save_file

import sdbatch
from sdbatch.config.model import ModelSettings
from sdbatch.config.runtime import Runtime
from sdbatch.gallery import command
from sdbatch.media import infotext, png
from sdbatch.tasks.kept_renderer import KeptRenderer
from tests.config.building import planned
from tests.models.lora_files import write
from tests.tasks.conftest import Folder

DATA = {"prompts": ["a dusk <lora:ink:0.8>"], "loras": ["pixel"], "seeds": [1]}


@pytest.fixture
def rendered(folder: Folder) -> Folder:
    """One picture with two LoRAs and a textual inversion."""
    for name in ("loras", "embeddings"):
        (folder.root / name).mkdir()
    write(folder.root / "loras/ink.safetensors", "kohya")
    write(folder.root / "loras/pixel.safetensors", "loha")
    save_file({"emb_params": np.ones((3, 32), np.float32)}, folder.root / "embeddings/dusk.safetensors")
    assert folder.run(**DATA) == 0
    return folder


def test_a_picture_is_reproduced_also_from_other_folders(rendered: Folder) -> None:
    path = rendered.path("images/*")
    assert rendered.run(task="reproduce", source=str(path), prompts=[]) == 0
    assert "bit-equal" in rendered.out
    moved = rendered.root / "moved"
    moved.mkdir()
    for old, new in (("loras/ink", "a"), ("loras/pixel", "b"), ("embeddings/dusk", "c")):
        shutil.move(rendered.root / f"{old}.safetensors", moved / f"{new}.safetensors")
    said = rendered.wrong(task="reproduce", source=str(path), prompts=[])
    assert "lora_folders: pixel (b2:" in said
    assert "lora_folders: ink (b2:" in said
    assert "embedding_folders: dusk (b2:" in said
    assert "which was used, is not in lora_folders (loras)" in said
    more = {"lora_folders": ["moved"], "embedding_folders": ["moved"]}
    assert rendered.run(task="reproduce", source=str(path), prompts=[], **more) == 0
    assert (rendered.root / "reproduced" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("prompts", [DATA["prompts"], []])
def test_verify_finds_the_files(rendered: Folder, prompts: list[str]) -> None:
    """Also of the plan that is kept in the folder, without the experiment."""
    more = DATA | {"prompts": prompts, "loras": DATA["loras"] if prompts else []}
    assert rendered.run(task="verify", verify={"format": "json"}, **more) == 0
    assert json.loads(rendered.out)["counts"]["bit_equal"] == 1


def test_a_published_experiment_plans_the_same_jobs(rendered: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the LoRAs in the default folder; their places on this machine are not published."""
    swept = [{"loras": [[], ["loras/pixel.safetensors"], [{"path": "ink", "weight": 0.5}]]}, {"lora_weight": [0.5, 1]}]
    own = {"text": "a sea", "loras": [{"path": str(rendered.root / "loras/ink.safetensors"), "weight": 0.4}]}
    more = {"prompts": ["a dusk <lora:ink:0.8>", own], "seeds": [1], "sweep": swept}
    assert rendered.run(**more) == 0
    assert rendered.run(task="publish", **more) == 0
    (crate,) = (path.parent for path in rendered.root.glob("publish/*/experiment.yaml"))
    assert str(rendered.root) not in (crate / "experiment.yaml").read_text()
    monkeypatch.chdir(crate)
    for name in ("loras", "embeddings"):
        shutil.copytree(rendered.root / name, crate / name)
    ids = [json.loads(line)["id"] for line in (crate / "plan.jsonl").read_text().splitlines()]
    assert list(sdbatch.load("experiment.yaml").plan().ids) == ids


def test_the_command_of_a_job_plans_it_again(rendered: Folder) -> None:
    plan = planned(DATA | {"canvas": ["48x32"], "sampling": {"steps": 4}})
    again = planned(command.job_settings(plan[0]))
    assert again.ids == plan.ids
    assert "loras=[{path:pixel,weight:1},{path:ink,weight:0.8}]" in command.settings_overrides(plan[0])


def test_final_keeps_the_loras(rendered: Folder) -> None:
    (name,) = (p.name for p in (rendered.store.root / "images").iterdir())
    final = {"jobs": [name], "set": {"sampling.steps": 6}}
    assert rendered.run(task="final", final=final, prompts=[]) == 0
    (made,) = (rendered.root / "outputs/little-final/images").iterdir()
    assert "<lora:pixel:1> <lora:ink:0.8>" in png.read_text(made)["parameters"]


def test_a_picture_of_another_tool_finds_loras_by_hash(rendered: Folder) -> None:
    own = infotext.parse(png.read_text(rendered.path("images/*"))["parameters"])
    hashes = infotext.hashes(own["extras"][infotext.LORAS])
    text = (
        "a dusk <lora:their name:0.5:0.7> <lora:pixel:1> <lora:lost:1>\n"
        "Steps: 4, Sampler: Euler a, CFG scale: 6, Seed: 7, "
        f'Size: 48x32, Lora hashes: "their name: {hashes["ink"]}, pixel: 000000000000", TI hashes: "dusk: 0"'
    )
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", text)
    Image.new("RGB", (48, 32)).save(rendered.root / "theirs.png", pnginfo=info)
    assert rendered.run(task="reproduce", source="theirs.png", prompts=[]) == 0
    assert "LoRA pixel: found by its name; its hash is another" in rendered.out
    assert "LoRA lost: not in lora_folders (loras), left out" in rendered.out
    assert "their name" not in rendered.out
    made = png.read_text(Path("reproduced/theirs.png"))["parameters"]
    assert made.startswith("a dusk <lora:ink:0.5:0.7> <lora:pixel:1>\n")
    assert 'TI hashes: "dusk: ' in made


def test_the_page_and_the_sheet_show_short_names(rendered: Folder) -> None:
    sweep = [{"loras": [None, "ink", ["ink", "pixel"]]}]
    assert rendered.run(prompts=["a sea"], sweep=sweep, gallery={"enabled": True}) == 0
    assert rendered.run(prompts=["a sea"], sweep=sweep, task="plan", plan={"format": "table"}) == 0
    assert "loras" in rendered.out
    assert "ink 1 + pixel 1" in rendered.out
    assert rendered.run(prompts=["a sea"], sweep=sweep, task="csv") == 0
    assert "ink 1 + pixel 1" in (rendered.store.root / "records.csv").read_text("utf-8")
    assert rendered.run(prompts=["a sea"], sweep=sweep, task="sheet") == 0


def test_a_kept_renderer_is_opened_again_for_other_loras(rendered: Folder) -> None:
    opened = KeptRenderer()
    first, same, other = (
        opened.open(source, ModelSettings(kind="fake"), Runtime())._renderer
        for loras in (["ink"], ["ink"], ["ink", "pixel"])
        for source in (planned(prompts=["a sea"], loras=loras).resolved.source,)
    )
    assert first is same
    assert first is not other
