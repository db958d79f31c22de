"""What the documents say is so: examples run, tables are complete, links lead somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import yaml

from sdbatch.config.registry import TASKS
from sdbatch.errors import nearest
from sdbatch.media import infotext
from sdbatch.models.adapters import Adapters
from sdbatch.samplers import SAMPLERS
from sdbatch.spec.jobs import Model
from sdbatch.tasks import foreign
from tests.config.building import ROOT, planned, problems

SOURCE = ROOT / "src" / "sdbatch"
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def block(document: str, kind: str) -> str:
    """The first block of this kind."""
    found = re.search(rf"```{kind}\n(.*?)```", (ROOT / document).read_text("utf-8"), re.S)
    assert found
    return found[1]


def test_the_example_of_the_readme_makes_forty_jobs():
    plan = planned(yaml.safe_load(block("README.md", "yaml")))
    assert (len(plan), plan.skipped) == (40, 8)
    assert "are 40 jobs" in (ROOT / "README.md").read_text("utf-8")


def test_the_mistakes_of_the_readme_are_reported_so():
    found = problems(canvas=[512], sampling={"sampler": "euler_b", "guidance": 0.5})
    text = (ROOT / "README.md").read_text("utf-8")
    first, second, third = (str(p) for p in found)
    assert f"  {first}\n" in text
    assert second.startswith("sampling.sampler: unknown sampler 'euler_b'; allowed: ddim, ")
    assert nearest("euler_b", ["euler_a"]) in second
    assert f"  {third}\n" in text


def test_the_python_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDBATCH_MODEL", "fake")
    Path("torii.yaml").write_text(block("README.md", "yaml"), "utf-8")
    exec(block("README.md", "python"), {})
    first, *results = capsys.readouterr().out.splitlines()
    assert first.startswith("20 j")
    assert len(results) == 20
    assert all(line.startswith("outputs/torii/images/") for line in results)
    assert len(list((tmp_path / "outputs/torii/images").iterdir())) == 20


def test_every_finding_on_cuda_names_tests_that_exist():
    """Twenty findings of the review, each answered by tests; those marked GPU are in test_cuda.py."""
    rows = re.findall(r"^\| (\d+) \|.*\|$", text := (ROOT / "docs/cuda.md").read_text("utf-8"), re.M)
    assert [int(n) for n in rows] == list(range(1, 21))
    tests = {
        path: set(re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.M))
        for path in ROOT.glob("tests/**/test_*.py")
    }
    on_cpu = set().union(*(names for path, names in tests.items() if path.name != "test_cuda.py"))
    on_gpu = tests[ROOT / "tests/engine/test_cuda.py"]
    for line in re.findall(r"^\| \d+ \|.*", text, re.M):
        usual, _, gpu = line.rpartition("Tests: ")[2].partition("GPU ")
        assert (names := set(re.findall(r"`(test_\w+)[`\[]", usual))), line
        assert names <= on_cpu, line
        assert set(re.findall(r"`(test_\w+)[`\[]", gpu)) <= on_gpu, line


def test_the_readme_lists_every_sampler_and_task():
    text = (ROOT / "README.md").read_text("utf-8")
    listed = re.search(r"\*\*sampling.sampler\*\*: (.*?)\.\n", text, re.S)
    assert listed
    assert re.split(r",\s+", listed[1]) == list(SAMPLERS)
    assert set(re.findall(r"task=(\w+)", text)) == set(TASKS) - {"render"}


def test_the_assumptions_about_a_picture_of_another_tool_are_as_printed():
    settings = (
        "Steps: 20, Sampler: LMS Karras, CFG scale: 7, Seed: 1, Size: 512x768, Model: v1-5-pruned-emaonly, "
        "Denoising strength: 0.5, Hires upscale: 2, Hires steps: 10"
    )
    fields = infotext.parse(f"a castle <lora:x:1>\n{settings}")
    _, assumed = foreign.job(fields, Model("b2:0f41…"), (1024, 1536), "source", Adapters(["loras"], []))
    printed = re.findall(r"^  assumed (.*)$", (ROOT / "docs" / "reliability.md").read_text("utf-8"), re.M)
    assert list(assumed) == printed


def test_the_table_of_faults_has_the_rows_of_its_script_and_their_tests_exist():
    """``make faults`` counts tests by the beginnings of their names; one that matches nothing would count none."""
    script = runpy.run_path(str(ROOT / "scripts" / "reliability.py"))
    faults: dict[str, tuple[str, ...]] = script["FAULTS"]
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    table = text.partition(script["BEGIN"])[2].partition(script["END"])[0]
    rows = re.findall(r"^\| (.*?) \| [\d,]+ \| [\d,]+ \|$", table, re.M)
    patterns = [re.sub(r"\\{\w+\\}", r"[\\d,]+", re.escape(fault)) for fault in faults]
    assert len(rows) == len(patterns)
    assert all(re.fullmatch(pattern, row) for pattern, row in zip(patterns, rows, strict=True))
    places = [ROOT / folder for folder in script["FOLDERS"]]
    files = [path for place in places for path in (place, *place.glob("test_*.py")) if path.is_file()]
    found = re.compile(r"^(?:    )?def (test_\w+)\(", re.M)
    names = [f"{path.stem}.{name}" for path in files for name in found.findall(path.read_text("utf-8"))]
    for beginning in (beginning for tests in faults.values() for beginning in tests):
        assert any(name.startswith(beginning) for name in names), beginning


def test_every_package_has_a_row():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.M)
    named = {name.rstrip("/") for row in rows for name in re.findall("`(.*?)`", row)}
    modules = {p.stem for p in SOURCE.glob("*.py")} | {p.parent.name for p in SOURCE.glob("*/__init__.py")}
    assert named == {name for name in modules if not name.startswith("__")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_links_and_files_are_there(document: Path):
    text = document.read_text("utf-8")
    links = [a for a in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in a]
    files = re.findall(r"`((?:tests|scripts|conf|src|benchmarks|docs)/[\w./-]+)`", text)
    assert [a for a in links if not (document.parent / a).exists()] == []
    assert [f for f in files if not (ROOT / f).exists()] == []
