"""task=publish: the same bytes each time, a valid RO-Crate, and everything that a reviewer needs."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from pypdf import PdfReader

import sdbatch
from sdbatch.config.hydra_source import compose_data
from sdbatch.config.model import ModelSettings
from sdbatch.config.validation import validate
from sdbatch.config.written import Written
from sdbatch.errors import ConfigError, StoreError
from sdbatch.files import archive
from sdbatch.models.digests import model_files
from sdbatch.models.locate import locate
from sdbatch.models.provenance import provenance
from sdbatch.models.source import SHIPPED
from sdbatch.store import Store
from sdbatch.tasks import dispatch
from sdbatch.tasks.publish.experiment import Inputs, as_written
from tests.config.building import ROOT
from tests.publish.conftest import FILES, MORE, check, run, working
from tests.sound.clicks import clicks

PRESENT = {
    *("ro-crate-metadata.json", "SHA256SUMS", "README.md", "CITATION.cff", "experiment.yaml", "plan.jsonl"),
    *("manifest.jsonl", "digests.csv", "weights.json", "environment.txt", "verify.json", "figure.pdf", "figure.txt"),
    *("written/experiment/little.yaml", "inputs/more.csv", "inputs/styles.csv", "inputs/wildcards/colours.txt"),
}


def names(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}


def test_published_twice_and_elsewhere_it_is_the_same_bytes(project: Path, tmp_path: Path, monkeypatch) -> None:
    """Also in another folder, another time zone, with another umask, and without the experiment's gallery."""
    there = Path(shutil.copytree(project, tmp_path / "elsewhere"))
    shutil.rmtree(there / "outputs/little/gallery")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    before = os.umask(0o077)
    try:
        with working(there):
            for folder in ("publish", "again"):
                assert run("task=publish", publish=MORE | {"folder": folder}) == 0
    finally:
        os.umask(before)
    first = (project / "publish/little.zip").read_bytes()
    assert (there / "publish/little.zip").read_bytes() == first
    assert (there / "again/little.zip").read_bytes() == first
    assert sorted(p.name for p in (there / "publish").iterdir()) == ["little", "little.zip"], "nothing is left behind"


def test_its_files(project: Path) -> None:
    root, digests = project / "publish/little", project / "digests/little"
    pictures = {record.path for record in Store(project / "outputs/little").ledger().records()}
    assert len(pictures) == 10
    assert names(root) > PRESENT | pictures | {"index.html"}
    assert names(digests) == PRESENT | {n for n in names(root) if n.startswith("profiles/")}
    for name in pictures:
        assert (root / name).read_bytes() == (project / "outputs/little" / name).read_bytes()
    for where in (root, digests):
        rows = (where / "digests.csv").read_text().splitlines()[1:]
        listed = {row.split(",")[1]: row.split(",")[3] for row in rows}
        assert listed == {
            n: hashlib.sha256((project / "outputs/little" / n).read_bytes()).hexdigest() for n in pictures
        }
    with zipfile.ZipFile(project / "publish/little.zip") as file:
        assert {e.filename for e in file.infolist()} == names(root)
        assert {(e.date_time, e.compress_type) for e in file.infolist()} == {((1980, 1, 1, 0, 0, 0), 0)}
    # the ZIP has no folder of its own, so the README says where to unpack it
    readme = (root / "README.md").read_text()
    assert "unzip -d little little.zip && cd little\npython -m sdbatch experiment.yaml" in readme


def test_the_tool_of_the_system_checks_it(project: Path) -> None:
    command = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    said = subprocess.check_output(command, cwd=project / "publish/little", text=True)
    assert len(said.splitlines()) == len(names(project / "publish/little")) - 1


def test_a_validator_accepts_it(project: Path) -> None:
    problems_of = runpy.run_path(str(ROOT / "scripts" / "validate_crate.py"))["validate"]
    crate = str(project / "publish/little.zip")
    assert problems_of([crate]) == {crate: []}


def test_the_resolved_experiment_renders_the_same_files(project: Path, crate: Path) -> None:
    """From the crate alone: prompts, wildcards, styles and drawn seeds are in it."""
    shutil.copy(crate / "experiment.yaml", crate / "little.yaml")
    with working(crate):
        assert run() == 0
    made, first = crate / "outputs/little", project / "outputs/little"
    assert (made / "plan.jsonl").read_bytes() == (first / "plan.jsonl").read_bytes()
    assert (made / "manifest.jsonl").read_bytes() == (first / "manifest.jsonl").read_bytes()
    assert (crate / "written/experiment/little.yaml").read_text().endswith(FILES["little.yaml"])


def test_swept_inputs_are_in_the_crate(tmp_path: Path, monkeypatch) -> None:
    """Styles, sounds and prompt files that only a sweep names: the crate alone plans the same jobs."""
    monkeypatch.chdir(tmp_path)
    clicks(tmp_path / "beat.wav")
    (tmp_path / "more.txt").write_text("a lighthouse\n")
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nfilm,grain,\nnight,__dark__ night,day\n")
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards/dark.txt").write_text("moonless\n")
    data: dict[str, Any] = {"name": "swept", "canvas": ["48x32"], "model": {"kind": "fake"}, "sampling": {"steps": 1}}
    data |= {"motion": {"mode": "zoom", "frames": 2, "zoom": [[0, 1], ["end", 1.2]]}, "styles": {"file": "styles.csv"}}
    styles = {"styles.use": [["film"], ["film", "night"], "night", None]}
    data["sweep"] = [styles, {"prompts": ["a sea", {"file": "more.txt"}]}, {"encoding.audio": ["beat.wav", None]}]
    assert dispatch.run(data) == 0
    assert dispatch.run(data | {"task": "publish"}) == 0
    with zipfile.ZipFile("publish/swept.zip") as packed:
        packed.extractall(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    planned = sdbatch.load("experiment.yaml").plan()
    assert [job.id for job in planned] == [
        json.loads(line)["id"] for line in Path("plan.jsonl").read_text().splitlines()
    ]
    assert len(planned) == 16
    assert names(Path("inputs")) == {"beat.wav", "more.txt", "styles.csv", "wildcards/dark.txt"}


def test_who_what_and_when(project: Path) -> None:
    root = project / "publish/little"
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    ada = {"given-names": "Ada", "family-names": "Lovelace", "affiliation": "Analytical Society"}
    orcid = "https://orcid.org/0000-0002-1825-0097"
    assert citation["authors"] == [ada | {"orcid": orcid}, {"given-names": "A", "family-names": "Group"}]
    assert (citation["title"], citation["date-released"], citation["license"]) == (
        "Torii at dawn",
        "2026-11-28",
        "CC-BY-4.0",
    )
    graph = {e["@id"]: e for e in json.loads((root / "ro-crate-metadata.json").read_text())["@graph"]}
    assert graph["./"]["datePublished"] == "2026-11-28"
    assert graph["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    (action,) = [e for e in graph.values() if e["@type"] == "CreateAction"]
    results = {r["@id"] for r in action["result"]}
    assert results == {f"images/{p.name}" for p in (root / "images").iterdir()}
    assert {"experiment.yaml", "plan.jsonl", "inputs/more.csv"} < {o["@id"] for o in action["object"]}


def test_the_figure_has_its_caption_as_text(project: Path) -> None:
    root = project / "publish/little"
    caption = (root / "figure.txt").read_text()
    assert "10 of 10 planned pictures" in caption
    assert "seeds (2 values)" in caption
    (page,) = PdfReader(root / "figure.pdf").pages
    assert "".join(page.extract_text().split()) == "".join(caption.split())
    (image,) = page.images
    assert image.image.size[0] > 100


def test_the_weights_of_a_model_with_files(project: Path, tmp_path: Path) -> None:
    with working(project):
        settings = MORE | {"folder": str(tmp_path), "sample": 0}
        data = {"name": "tiny", "prompts": ["a torii gate"], "canvas": ["48x32"], "gallery": {"enabled": False}}
        with pytest.raises(StoreError, match="tiny has no rendered pictures yet"):
            dispatch.run(data | {"task": "publish", "publish": settings})
    (found,) = provenance(locate(ModelSettings()))
    files = model_files(SHIPPED / "small")
    assert {f.name: f.sha256 for f in found.files} == {n: archive.listed(p)[1] for n, p in files.items()}
    assert (found.licence, found.origin) == ("apache-2.0", "embedded in sdbatch (small)")


def test_no_place_of_this_machine_is_in_it(project: Path, tmp_path: Path) -> None:
    """Neither the working folder nor the folder of the results, also if an argument names them."""
    with working(project):
        settings = MORE | {"folder": str(tmp_path / "p")}
        assert run(f"output.folder={project}/outputs", "sampling.steps=4", "task=publish", publish=settings) == 0
    with zipfile.ZipFile(tmp_path / "p/little.zip") as file:
        everything = b"".join(file.read(name) for name in file.namelist())
        assert file.read("written/arguments.txt") == b"sampling.steps=4\n"
    for place in (project, tmp_path, project.parent):
        assert str(place).encode() not in everything


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        ("seeds=0..3", True),
        ("prompts=['one / two, 16:9 a/b ...']", True),
        ("loras=[styles/ink.safetensors]", True),
        ("init.video=clip.mp4", False),
        ("init={image: /tmp/x.png}", False),
        ("init={image:/tmp/x.png}", False),
        ("model={kind: diffusers,path: ../models/x}", False),
        ("models=[/tmp/x.safetensors]", False),
        ("loras=['~/loras/x.safetensors']", False),
        ("+prompts=[{file: '/tmp/x.txt'}]", False),
        ("sweep=[{init.image: [/tmp/x.png]}]", False),
        ("prompts=['a sea <lora:/tmp/x.safetensors:1>']", False),
    ],
)
def test_arguments_that_name_a_place_are_left_out(argument: str, kept: bool) -> None:
    experiment = validate({"name": "x"}).as_written(Written((), (argument,)))
    assert list(as_written(experiment)) == ([("written/arguments.txt", f"{argument}\n".encode())] if kept else [])


def test_what_is_not_as_recorded_is_not_published(project: Path, tmp_path: Path, capsys) -> None:
    there = Path(shutil.copytree(project, tmp_path / "copy"))
    picture = next((there / "outputs/little/images").iterdir())
    picture.write_bytes(picture.read_bytes()[:-1] + b"\0")
    before = (there / "publish/little.zip").read_bytes()
    with working(there):
        assert run("task=publish", publish=MORE) == 3
    assert picture.name in capsys.readouterr().err
    assert (there / "publish/little.zip").read_bytes() == before


def test_an_unfinished_experiment_says_so(project: Path, tmp_path: Path, capsys) -> None:
    with working(project):
        assert run("seeds=random*3", "task=publish", publish={"folder": str(tmp_path)}) == 1
    said = capsys.readouterr().err
    assert "5 of 15 jobs are not rendered" in said
    assert "publish.authors is empty" in said
    assert "name: Anonymous" in (tmp_path / "little/CITATION.cff").read_text()


def test_from_the_stored_plan_alone(project: Path, tmp_path: Path) -> None:
    with working(project):
        data = {"name": "little", "task": "publish", "publish": MORE | {"folder": str(tmp_path)}}
        assert dispatch.run(data) == 0
    assert not (tmp_path / "little/experiment.yaml").exists()
    assert "python -m sdbatch experiment.yaml" not in (tmp_path / "little/README.md").read_text()
    assert (tmp_path / "little/plan.jsonl").read_bytes() == (project / "outputs/little/plan.jsonl").read_bytes()


@pytest.mark.parametrize("pictures", ["all", "digests"])
def test_a_video_with_sound(tmp_path: Path, monkeypatch, capsys, pictures: str) -> None:
    """The crate has its sound, poster and metadata, so it can be rendered again without the file of the experiment."""
    monkeypatch.chdir(tmp_path)
    audio = clicks(tmp_path / "my beat.wav")
    motion = {"mode": "zoom", "seconds": 1, "fps": 4, "zoom": {"wave": "beats", "from": 1, "to": 1.2}}
    data = {"name": "clip", "prompts": ["a sea"], "canvas": ["48x32"], "model": {"kind": "fake"}, "motion": motion}
    data |= {"encoding": {"audio": str(audio)}, "sampling": {"steps": 2}}
    assert dispatch.run(data) == 0
    assert dispatch.run(data | {"task": "publish", "publish": {"pictures": pictures}}) == 0
    audio.unlink()
    shutil.rmtree("outputs")
    found = names(tmp_path / "publish/clip")
    assert {n.partition("/")[0] for n in found} >= {"sounds", "inputs"}
    assert {Path(n).suffix for n in found if n.startswith("videos/")} == (
        {".mp4", ".png", ".json"} if pictures == "all" else set()
    )
    assert str(tmp_path).encode() not in b"".join((tmp_path / "publish/clip" / n).read_bytes() for n in found)
    capsys.readouterr()
    assert check(tmp_path / "publish/clip.zip") == 0
    assert "rendered again: 1 bit-equal" in capsys.readouterr().out
    with working(tmp_path / "publish/clip"):
        again = dispatch.run(compose_data([], Path("experiment.yaml")).data)
    assert again == 0
    assert (tmp_path / "publish/clip/outputs/clip/manifest.jsonl").read_bytes() == (
        tmp_path / "publish/clip/manifest.jsonl"
    ).read_bytes()


def test_the_day_of_publication(project: Path, tmp_path: Path, monkeypatch) -> None:
    def day() -> str:
        with working(project):
            assert run("task=publish", publish={"folder": str(tmp_path), "pictures": "digests"}) == 0
        return str(yaml.safe_load((tmp_path / "little/CITATION.cff").read_text())["date-released"])

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert day() == "2001-09-09"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    for path in (project / "outputs/little/images").iterdir():
        os.utime(path, (1.2e9, 1.2e9))
    assert day() == "2008-01-10"


@pytest.mark.parametrize("given", ["9" * 30, "9" * 12, "yesterday"])
def test_a_day_that_does_not_exist(project: Path, tmp_path: Path, monkeypatch, given: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    with working(project), pytest.raises(ConfigError, match=r"SOURCE_DATE_EPOCH: .* is not a number of seconds"):
        run("task=publish", publish={"folder": str(tmp_path)})
    assert names(tmp_path) == set()


def test_another_folder_is_not_replaced(project: Path, tmp_path: Path) -> None:
    (tmp_path / "little").mkdir()
    (tmp_path / "little/thesis.tex").write_text("mine")
    with working(project), pytest.raises(ConfigError, match=r"publish\.folder: .*has not written it"):
        run("task=publish", publish={"folder": str(tmp_path)})
    assert names(tmp_path) == {"little/thesis.tex"}


def test_another_zip_is_not_replaced(project: Path, tmp_path: Path) -> None:
    packed = tmp_path / "little.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("thesis.tex", "mine")
    for data in (packed.read_bytes(), b"no ZIP"):
        packed.write_bytes(data)
        with working(project), pytest.raises(ConfigError, match=r"little\.zip' exists, and .*has not written it"):
            run("task=publish", publish={"folder": str(tmp_path)})
        assert packed.read_bytes() == data
        assert names(tmp_path) == {"little.zip"}


def test_inputs_of_one_name_have_names_of_their_own(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("d1/a.txt", "d1/2-a.txt", "d2/a.txt", "d3/wildcards")]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("a boat\n")
    experiment = validate({"prompts": [{"file": str(file)} for file in (*files, files[0])]})
    found = Inputs(experiment)
    assert found.files == dict(
        zip(("inputs/a.txt", "inputs/2-a.txt", "inputs/3-a.txt", "inputs/3-wildcards"), files, strict=True)
    )
    assert found.name(str(files[2])) == "inputs/3-a.txt"


def test_inputs_have_names_for_every_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p: 1.txt").write_text("two boats\n")
    for name in ("what?.png", os.fsdecode(b"photos/\xff.png"), "frames/a: 1.png", "frames/a: 2.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (48, 32), "red" if "2" in name else "blue").save(name)
    data: dict[str, Any] = {"name": "odd", "canvas": ["48x32"], "model": {"kind": "fake"}, "sampling": {"steps": 2}}
    data |= {"prompts": [{"file": "p: 1.txt"}], "init": {"image": ["what?.png", "photos"], "strength": 0.5}}
    assert dispatch.run(data) == 0
    assert dispatch.run(data | {"task": "publish"}) == 0
    assert names(Path("publish/odd/inputs")) == {"p_ 1.txt", "_.png", "what_.png"}
    assert check(Path("publish/odd.zip")) == 0
    monkeypatch.chdir("publish/odd")
    planned = [job.id for job in sdbatch.load("experiment.yaml").plan()]
    assert planned == [json.loads(line)["id"] for line in Path("plan.jsonl").read_text().splitlines()]
    frames = Inputs(validate({"init": {"video": str(tmp_path / "frames")}})).files
    assert list(frames) == ["inputs/frames/000000-a_ 1.png", "inputs/frames/000001-a_ 2.png"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("date", "28.11.2026"), ("licence", "CC BY"), ("authors", [{"name": "A", "orcid": "1"}]), ("pictures", "some")],
)
def test_mistakes_are_named(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"publish\.{key}"):
        dispatch.run({"task": "publish", "prompts": ["a"], "model": {"kind": "fake"}, "publish": {key: value}})


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("cc-by", "'cc-by' is not an SPDX identifier (did you mean 'CC-BY-4.0'?)"),
        ("CC0", "(did you mean 'CC0-1.0'?)"),
        ("foo", "'foo' is not an SPDX identifier (write CC-BY-4.0, CC0-1.0, … or LicenseRef-NAME)"),
    ],
)
def test_a_licence_that_spdx_does_not_list(written: str, says: str) -> None:
    with pytest.raises(ConfigError) as e:
        validate({"publish": {"licence": written}})
    assert str(e.value).startswith("publish.licence: ")
    assert says in str(e.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [("cc-by-4.0", "CC-BY-4.0"), ("BSL-1.0", "BSL-1.0"), ("LicenseRef-mine", "LicenseRef-mine"), (None, None)],
)
def test_a_licence_is_read_as_spdx_writes_it(written: str | None, read: str | None) -> None:
    assert validate({"publish": {"licence": written}}).publish.licence == read
