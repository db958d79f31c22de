"""LoRAs and textual inversions in experiments: who gets which, with which weight; ids, labels, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdbatch import motion
from sdbatch.media import infotext, metadata
from sdbatch.models.source import CLIP
from sdbatch.plan import parse
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.spec.cost import chunks_of
from sdbatch.tasks import plan_report
from tests.config.building import planned, problems
from tests.models.lora_files import write

TAG = "<lora:ink:0.8>"


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """A working folder with the LoRAs ink and pixel, and the textual inversions dusk (3 vectors) and <cat>."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("loras/styles", "embeddings"):
        Path(name).mkdir(parents=True)
    write(Path("loras/ink.safetensors"), "kohya")
    write(Path("loras/styles/pixel.safetensors"), "loha")
    save_file({"emb_params": np.ones((3, 32), np.float32)}, "embeddings/dusk.safetensors")
    save_file({"<cat>": np.ones(32, np.float32)}, "embeddings/learned_embeds.safetensors")


def loras(**data):
    """The LoRAs of every job, as text."""
    return [" + ".join(map(str, job.shot.model.loras)) for job in planned(data)]


def only(**data):
    plan = planned(data)
    assert len(plan) == 1
    return plan[0].shot


def said(**data):
    return "\n".join(map(str, problems(data)))


# ---- who gets which


def test_the_order_is_the_experiments_the_prompts_and_the_tags():
    prompts = [{"text": f"a sea {TAG}", "loras": [{"path": "styles/pixel", "weight": 0.5, "text": 0.25}]}]
    assert loras(prompts=prompts, loras=["pixel"]) == ["pixel 1 + pixel 0.5 (text 0.25) + ink 0.8"]
    assert only(prompts=prompts).prompt == "a sea"


def test_a_path_names_a_file_anywhere(tmp_path):
    shutil.copy("loras/ink.safetensors", tmp_path / "other.safetensors")
    assert loras(loras=[str(tmp_path / "other.safetensors")]) == ["other 1"]
    assert loras(loras=["ink.safetensors"]) == ["ink 1"]
    assert loras(loras=["other"], lora_folders=[".", "loras"]) == ["other 1"]


def test_several_weights_are_an_axis():
    assert loras(loras=[{"path": "ink", "weight": "0..1..0.5"}], seeds=[0]) == ["", "ink 0.5", "ink 1"]
    plan = planned(loras=[{"path": "ink", "weight": [0.5, 1]}, {"path": "pixel", "weight": [1, 2]}])
    assert [dict(job.labels)["loras"] for job in plan][:2] == ["ink 0.5 + pixel 1", "ink 0.5 + pixel 2"]
    assert len(plan) == 4


def test_a_sweep_over_sets_of_loras():
    values = [None, "ink", {"path": "pixel", "weight": [0.5, 1]}, ["ink", {"path": "pixel", "weight": 0.1}]]
    plan = planned(sweep=[{"loras": values}])
    expected = ["none", "ink 1", "pixel 0.5", "pixel 1", "ink 1 + pixel 0.1"]
    assert [dict(job.labels)["loras"] for job in plan] == expected


def test_styles_times_weights():
    plan = planned(sweep=[{"loras": ["ink", "pixel"]}, {"lora_weight": "0..1..0.5"}], prompts=["a sea", "a hill"])
    assert len(plan) == 2 * 5, "of each prompt the pictures of weight 0 are equal"
    assert plan.duplicates == 2
    assert {str(job.shot.model.loras[0]) for job in plan if job.shot.model.loras} == {
        f"{name} {weight}" for name in ("ink", "pixel") for weight in ("0.5", "1")
    }


def test_jobs_with_other_loras_are_no_repetitions_and_not_alike():
    plan = planned(prompts=["a sea", "a sea <lora:ink:1>", "a hill <lora:ink:1>"], seeds=[0, 1])
    assert not plan.notes
    assert plan.alike()[1].tolist() == [0, 0, 1, 1, 1, 1]


def test_lora_weight_multiplies_all():
    found = only(loras=[{"path": "pixel", "weight": 0.5, "text": 1}], prompts=[f"a {TAG}"], lora_weight=0.5)
    assert list(map(str, found.model.loras)) == ["pixel 0.25 (text 0.5)", "ink 0.4"]


def test_variants_and_styles_may_contain_loras():
    Path("styles.csv").write_text("name,prompt,negative_prompt\nink,{prompt} <lora:ink:0.3>,\n")
    assert loras(prompts=["a {<lora:ink:1>|<lora:pixel:1>} sea"]) == ["ink 1", "pixel 1"]
    assert loras(prompts=["a sea"], styles={"file": "styles.csv", "use": "ink"}) == ["ink 0.3"]


# ---- ids


def test_ids_depend_on_content_and_weights_only(tmp_path):
    shot = only(loras=["ink"])
    shutil.copy("loras/ink.safetensors", "loras/renamed.safetensors")
    assert only(loras=["renamed"]).id == shot.id
    assert only(prompts=["a sea <lora:ink>"]).id == shot.id, "wherever it is written"
    assert only(loras=[{"path": "ink", "text": 1}]).id == shot.id
    assert only(loras=[{"path": "ink", "text": 0}]).id != shot.id
    assert only(loras=[{"path": "ink", "weight": 0.5}]).id != shot.id
    assert only(loras=["ink", "pixel"]).id != only(loras=["pixel", "ink"]).id, "the order decides the picture"
    write(Path("loras/ink.safetensors"), "kohya", seed=1)
    assert only(loras=["ink"]).id != shot.id


def test_without_loras_ids_are_those_of_earlier_versions():
    assert only().id == only(loras=[{"path": "ink", "weight": 0}]).id == only(prompts=["a sea <lora:ink:0>"]).id
    assert "loras" not in json.dumps(only().spec())


@pytest.mark.parametrize("video", [{}, {"motion": {"mode": "prompt", "frames": 3, "phrase": "dusk {frame}"}}])
def test_jobs_are_read_back_from_their_metadata(video):
    plan = planned(prompts=[f"a dusk {TAG}"], negative="dusk", loras=["pixel"], **video)
    data = json.loads(json.dumps({"id": plan[0].id, **motion.job_spec(plan[0])}))
    found = parse.job(data)
    assert replace(found, slug="", labels=()) == replace(plan[0], slug="", labels=())
    assert [one.name for one in found.shot.model.loras] == ["pixel", "ink"]
    assert found.shot.model.name == plan[0].shot.model.name != ""
    assert [(e.name, e.vectors) for e in found.shot.embeddings] == [("dusk", 3)]
    assert infotext.write(found.shot) == infotext.write(plan[0].shot)


def test_metadata_is_not_trusted():
    plan = planned(loras=["ink"])
    data = json.loads(json.dumps({"id": plan[0].id, **motion.job_spec(plan[0])}))
    file = plan[0].shot.model.loras[0].file
    for name, value in (("name", "a\nb"), ("name", "x" * 300), ("hash", "zz"), ("other", 1)):
        changed = data | {"adapters": {file: data["adapters"][file] | {name: value}}}
        with pytest.raises(Exception, match="adapters"):
            parse.job(changed)
    data["shot"]["model"]["loras"][0]["unet"] = 100.0
    with pytest.raises(Exception, match=r"100\.0 is out of range"):
        parse.job(data)


# ---- infotext


def test_the_infotext_is_a1111s():
    shot = only(prompts=["a dusk, sea <lora:ink:0.5:0.8>"], loras=["pixel"])
    text = infotext.write(shot)
    assert text.startswith("a dusk, sea <lora:pixel:1> <lora:ink:0.5:0.8>\n")
    hashes = {one.name: one.hash for one in (*shot.model.loras, *shot.embeddings)}
    assert all(len(value) == 12 for value in hashes.values())
    fields = infotext.parse(text)
    extras = fields["extras"]
    assert infotext.hashes(extras[infotext.LORAS]) | infotext.hashes(extras[infotext.EMBEDDINGS]) == hashes
    assert only(prompts=[fields["prompt"]]).id == shot.id


def test_sd_parsers_reads_the_loras(tmp_path):
    from sd_parsers import ParserManager

    from sdbatch.engine.fake import FakeRenderer, draw
    from sdbatch.media import png

    job = planned(prompts=[f"a sea {TAG}"], loras=["pixel"])[0]
    texts, xmp = metadata.png_text(job, FakeRenderer().profile)
    (tmp_path / "a.png").write_bytes(png.encode(draw(job.shot), texts, xmp))
    found = ParserManager().parse(tmp_path / "a.png")
    assert [p.value for p in found.prompts] == ["a sea <lora:pixel:1> <lora:ink:0.8>"]
    assert f'Lora hashes: "pixel: {job.shot.model.loras[0].hash}, ink: ' in found.raw_parameters["parameters"]


# ---- textual inversions


def test_names_in_prompts_and_negative_prompts():
    shot = only(prompts=["a DUSK, over <cat>"], negative="dusk, dusky")
    assert [(e.name, e.vectors) for e in shot.embeddings] == [("<cat>", 1), ("dusk", 3)]
    assert only(prompts=["a sea"], negative="(dusk:0.5)").embeddings
    assert not only(prompts=["a dusky sea, duskdusk"]).embeddings


def test_a_name_takes_as_many_places_as_it_has_vectors():
    """The plan counts them, and does not divide one between two chunks."""
    vocabulary = Vocabulary.load(CLIP)
    for text, count in (("dusk " * 25, 1), ("dusk " * 26, 2), ("sea " * 72 + "dusk", 1), ("sea " * 73 + "dusk", 2)):
        assert chunks_of(only(prompts=[text]), vocabulary, 75) == count
    assert chunks_of(only(prompts=["sea " * 75]), vocabulary, 75) == 1


def test_an_experiment_without_their_names_has_the_ids_of_earlier_versions():
    with_folder = only().id
    shutil.rmtree("embeddings")
    assert only().id == with_folder


# ---- what is refused


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"loras": ["inc"]}, ["loras[0].path: there is no 'inc'", "did you mean 'ink'?"]),
        ({"prompts": ["a <lora:pixl:1>"]}, ["prompts[0]: there is no 'pixl' in lora_folders (loras", "'pixel'?"]),
        ({"prompts": ["a <lora:~nouser/x:1>"]}, ["prompts[0]: '~nouser/x': there is no such user"]),
        ({"prompts": ["a <lora:ink:x>"]}, ["prompts[0]: column 9", "'x' is not a weight"]),
        ({"loras": [{"path": "ink", "weight": 11}]}, ["loras[0].weight: 11 is out of range -10–10"]),
        ({"loras": [{"path": "ink", "weight": "a"}]}, ["loras[0].weight: 'a' is not a weight"]),
        ({"loras": [{"path": "ink", "weigt": 1}]}, ["loras[0].weigt: unknown key", "did you mean 'weight'?"]),
        ({"prompts": [{"text": "a", "loras": [{"path": "ink", "weight": [0, 1]}]}]}, ["has several weights"]),
        ({"sweep": [{"loras": ["ink", "pxel"]}]}, ["sweep[0].loras[1]", "'pixel'?"]),
        ({"sweep": [{"loras": [{"path": "ink", "weight": 99}]}]}, ["sweep[0].loras[0]", "99 is out of range"]),
        ({"sweep": [{"lora_weight": [1, 99]}]}, ["sweep[0].lora_weight: 99 is out of range"]),
        ({"sweep": [{"lora_folders": ["a"]}]}, ["sweep[0].lora_folders: cannot be swept"]),
        ({"loras": [{"path": "ink", "weight": [0, 1]}], "sweep": [{"loras": ["ink"]}]}, ["is already an axis"]),
    ],
)
def test_mistakes_name_the_key_and_the_nearest(data, words):
    text = said(**data)
    assert all(word in text for word in words), text


def test_two_files_with_one_name(tmp_path):
    write(Path("loras/styles/ink.safetensors"), "lokr")
    text = said(loras=["ink"])
    assert "'ink' names 2 files: loras/ink.safetensors, loras/styles/ink.safetensors" in text
    assert loras(loras=["styles/ink"]) == ["ink 1"]
    shutil.copy("loras/ink.safetensors", "loras/styles/ink.safetensors")
    assert loras(loras=["ink"]) == ["ink 1"], "the same content is no question"


def test_pickles_and_damaged_files_are_named():
    Path("loras/old.pt").write_bytes(b"\x80\x04.")
    Path("embeddings/bad.pt").write_bytes(b"\x80\x04.")
    save_file({"emb_params": np.full((2, 32), np.nan, np.float32)}, "embeddings/broken.safetensors")
    save_file(
        {"clip_l": np.ones((2, 8), np.float32), "clip_g": np.ones((2, 8), np.float32)}, "embeddings/xl.safetensors"
    )
    save_file({"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)}, "embeddings/odd.safetensors")
    save_file({"emb_params": np.ones((99, 32), np.float32)}, "embeddings/long.safetensors")
    assert "'old.pt' is a pickle file" in said(loras=["old"])
    for name, words in {
        "bad": "is a pickle file, which can run code (convert it",
        "broken": "emb_params is not finite",
        "xl": "for Stable Diffusion XL",
        "odd": "is not a textual inversion (it contains a, b)",
        "long": "has vectors of shape 99×32 (possible are 1–75 vectors)",
    }.items():
        text = said(prompts=[f"a {name}"])
        assert text.startswith("embedding_folders: '"), text
        assert words in text


def test_all_mistakes_are_reported_at_once():
    found = problems({"loras": ["inc", "pixl"], "prompts": ["a <lora:nothing:1>"]})
    assert [p.key for p in found] == ["prompts[0]", "loras[0].path", "loras[1].path"]


def test_the_dry_run_counts_the_places_of_vectors():
    long = planned(prompts=["sea " * 73 + "dusk"], model={"kind": "random_sd15"})
    (line,) = plan_report.text_warnings(long)
    assert "long text, 2 chunks" in line
    assert not plan_report.text_warnings(planned(prompts=["sea " * 73], model={"kind": "random_sd15"}))
