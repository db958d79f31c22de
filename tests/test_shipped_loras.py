"""The LoRAs and the textual inversion that are included: small, in three layouts, and they do what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sdbatch
from sdbatch.config.model import ModelSettings
from sdbatch.models.embedding import read as read_embedding
from sdbatch.models.folders import Folders, digest_of
from sdbatch.models.locate import locate
from sdbatch.models.lora.file import matched, read
from sdbatch.models.lora.modules import modules_of
from sdbatch.models.source import SHIPPED
from sdbatch.models.tensors import header
from training import reader, styled_reader
from training.judge_loras import rendered
from training.loras import RECIPES, WORD
from training.painter import paint
from training.render import MODEL
from training.scene import draw_scene
from training.styles import STYLES

LORAS = SHIPPED / "loras"
FILES = [*(LORAS / f"{name}.safetensors" for name in RECIPES), SHIPPED / "embeddings" / f"{WORD}.safetensors"]
TINY = {"kind": "tiny"}  # the model that they are for
SCENES = ["anime scene, red lighthouse, sea, day sky", "anime scene, blue house, forest, dawn"]


def test_they_are_small_and_name_their_licence() -> None:
    assert sum(path.stat().st_size for path in FILES) < 1e6
    assert {header(path, "loras").texts["modelspec.license"] for path in FILES} == {"Apache-2.0"}
    assert all("license: apache-2.0" in (path.parent / "README.md").read_text() for path in FILES)


@pytest.mark.parametrize("name", RECIPES)
def test_they_fit_the_embedded_model(name: str) -> None:
    modules = modules_of(locate(ModelSettings(kind="tiny")))
    assert modules is not None
    layers = matched(read(LORAS / f"{name}.safetensors", "loras"), modules, "loras")
    assert {layer.kind for layer in layers.values()} == {"loha" if RECIPES[name].layout == "loha" else "lora"}
    assert {part for part, _ in layers} == set(RECIPES[name].patterns)
    assert read_embedding(FILES[-1], "embeddings").shape[1] == modules.text_width


def test_their_styles_come_with_the_weight(tmp_path: Path) -> None:
    """By the measure of each style, and the subject stays; a LoRA of weight 0 is the picture without one."""
    sweep = [{"loras": list(STYLES)}, {"lora_weight": [0, 0.6, 1.2]}]
    data = {"name": "styles", "prompts": SCENES, "sweep": sweep, "sampling": {"steps": 8}}
    found = {name: {0.0: list[float](), 0.6: [], 1.2: []} for name in STYLES}
    plain, eye, seen = 0, styled_reader.restore(), list[bool]()
    for job, picture in rendered(data, MODEL):
        loras = job.shot.model.loras
        plain += not loras
        seen.append(reader.read(eye, [picture])[0]["subject"] in job.shot.prompt)
        for name in [one.name for one in loras] or STYLES:
            found[name][loras[0].unet if loras else 0.0].append(STYLES[name].measure(picture))
    assert plain == len(SCENES)
    assert sum(seen) >= 0.8 * len(seen)
    for name, by_weight in found.items():
        without, half, more = (np.mean(by_weight[weight]) for weight in (0.0, 0.6, 1.2))
        assert without < half < more, name


def test_ids_do_not_depend_on_the_place_of_a_file(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes((LORAS / "ink.safetensors").read_bytes())
    data = {"name": "ids", "model": TINY, "prompts": [f"a house, {WORD}"]}
    ids = [[job.id for job in sdbatch.load(data | {"loras": loras}).plan()] for loras in (["ink"], [str(other)], [])]
    assert ids[0] == ids[1] != ids[2]
    (job,) = sdbatch.load(data).plan()
    assert [(e.name, e.vectors) for e in job.shot.embeddings] == [(WORD, 2)]


def test_a_file_of_the_user_has_the_name(tmp_path: Path) -> None:
    (tmp_path / "ink.safetensors").write_bytes((LORAS / "pixel.safetensors").read_bytes())
    data = {"name": "own", "model": TINY, "prompts": ["a house"], "loras": ["ink", "pixel"]}
    data |= {"lora_folders": [str(tmp_path)]}
    (job,) = sdbatch.load(data).plan()
    ink, pixel = job.shot.model.loras
    assert ink.file == pixel.file
    folders = Folders([tmp_path], "lora_folders", LORAS)
    assert folders.with_digest(digest_of(LORAS / "ink.safetensors"), "ink") == LORAS / "ink.safetensors"


def test_the_reader_of_styles_names_what_restyled_scenes_show() -> None:
    scenes = [draw_scene(reader.UNSEEN_SEED + 5000 + i, "1:1") for i in range(24)]
    rng = np.random.default_rng(0)
    seen = reader.read(styled_reader.restore(), [styled_reader.change(paint(scene), rng) for scene in scenes])
    right = [s["subject"] == scene.subject for s, scene in zip(seen, scenes, strict=True)]
    shuffled = [s["subject"] == scene.subject for s, scene in zip(seen, scenes[1:] + scenes[:1], strict=True)]
    assert np.mean(right) >= 0.85
    assert np.mean(shuffled) < 0.5
