"""Real DVC in a real git repository: what changed is rendered, nothing else; digests are those of a clean run."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.dvc.conftest import HERE, Repository, only

YAML = "conf/experiment/little.yaml"


def test_the_folder_of_a_stage_is_named_after_its_experiment() -> None:
    for name in yaml.safe_load((HERE / "params.yaml").read_text())["experiments"]:
        assert yaml.safe_load((HERE / f"conf/experiment/{name}.yaml").read_text())["name"] == name


def test_only_what_changed_is_rendered(repository: Repository) -> None:
    said = repository.dvc("repro")
    assert said.count("8 rendered") == 2
    repository.commit("first")
    first = repository.digest("little")
    assert not [p for p in repository.tracked("little") if p.startswith(("shots/", "plans/"))]

    assert "up to date" in repository.dvc("repro")
    repository.replace(YAML, "# Two pictures", "# A comment.\n# Two pictures")
    assert "up to date" in repository.dvc("repro")

    before = _times(repository.root)
    repository.replace(YAML, "seeds: 0..1", "seeds: 0..2")
    said = repository.dvc("repro")
    assert "4 rendered, 8 done before" in said
    assert "'render@other' didn't change" in said
    after = _times(repository.root)
    assert {p: after[p] for p in before} == before, "a file that was there was written again"
    assert repository.json("metrics", "diff")["outputs/little.json"]["jobs"] == {"old": 8, "new": 12, "diff": 4}
    changed = {e["path"] for e in repository.json("diff")["modified"]}
    assert "outputs/little/" in changed
    assert "outputs/other/" not in changed
    repository.dvc("plots", "diff", "--out", ".home/plots")
    assert "little.png" in (repository.root / ".home/plots/index.html").read_text()

    lock = (repository.root / "dvc.lock").read_bytes()
    shutil.rmtree(repository.root / "outputs/little")
    assert "12 rendered" in repository.dvc("repro", "--force", "render@little")
    assert (repository.root / "dvc.lock").read_bytes() == lock, "a clean run gives other digests"
    repository.commit("a seed more")

    repository.replace(YAML, "seeds: 0..2", "seeds: 0..1")
    repository.dvc("repro")
    assert repository.digest("little") != first, "what is not wanted any more is still there"
    pruned = repository.sdbatch(
        "+experiment=little", "model=fake", "task=prune", "prune.plans=true", "prune.apply=true"
    )
    assert "removed" in pruned
    repository.run(sys.executable, "scripts/record.py", "little")
    assert repository.digest("little") == first, "after pruning, an experiment is as if never rendered otherwise"
    assert repository.metrics() == {"outputs/little.json": 8, "outputs/other.json": 8}


def test_an_experiment_needs_only_its_name_in_params_yaml(repository: Repository) -> None:
    only(repository, "little")
    repository.dvc("repro")
    repository.commit("one experiment")
    only(repository, "little", "another")
    repository.dvc("repro")
    assert repository.metrics() == {"outputs/little.json": 8, "outputs/another.json": 8}
    assert repository.json("metrics", "diff")["outputs/another.json"]["done"] == {"old": None, "new": 8}
    repository.dvc("plots", "diff", "--out", ".home/plots")
    assert "another.png" in (repository.root / ".home/plots/index.html").read_text()
    (repository.root / "outputs/another/sheet.png").unlink()
    said = repository.run(sys.executable, "scripts/record.py", "another", code=1)
    assert "another: not recorded: sheet.png is missing" in said


def _times(root: Path) -> dict[Path, int]:
    """When finished files were written (lists and pages of all jobs are written again)."""
    return {p: p.stat().st_mtime_ns for p in root.glob("outputs/*/[iv]*s/*") if p.is_file()}


def test_experiments_ad_hoc_results_and_a_remote(repository: Repository) -> None:
    repository.replace("params.yaml", "- other\n", "")
    repository.dvc("repro")
    repository.commit("first")

    said = repository.dvc("exp", "run", "-S", f"{YAML}:seeds=0..2")
    assert "4 rendered, 8 done before" in said
    text = (repository.root / YAML).read_text()
    assert "seeds: 0..2" in text
    assert "# Two pictures and a video." in text
    repository.commit("the experiment")

    repository.sdbatch("-m", "+experiment=little", "model=fake", "name=wide,tall", "seeds=5")
    with (repository.root / ".dvc/tmp/lock").open("r+") as lock:  # as another DVC command holds it
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            [sys.executable, "scripts/record.py", "wide"], cwd=repository.root, env=repository.env
        )
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(4)
    assert waiting.wait(120) == 0
    commands = [[sys.executable, "scripts/record.py", name] for name in ("wide", "tall")]
    both = [subprocess.Popen(c, cwd=repository.root, env=repository.env) for c in commands]
    assert [p.wait(120) for p in both] == [0, 0]
    assert (repository.root / "outputs/wide.dvc").is_file()
    repository.commit("ad hoc")
    assert repository.run("git", "ls-files", "outputs").split() == ["outputs/tall.dvc", "outputs/wide.dvc"]

    repository.dvc("remote", "add", "-d", "here", str(repository.root.parent / "remote"))
    repository.dvc("push", "-q")
    kept = {p: p.read_bytes() for p in _files(repository.root)}
    shutil.rmtree(repository.root / "outputs/little")
    shutil.rmtree(repository.root / "outputs/wide")
    shutil.rmtree(repository.root / ".dvc/cache")
    repository.dvc("pull", "-q")
    assert {p: p.read_bytes() for p in _files(repository.root)} == kept
    report = json.loads(repository.sdbatch("name=little", "task=verify", "verify.sample=0", "verify.format=json"))
    assert (report["recorded"], report["findings"]) == (12, [])


def _files(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("outputs/*/**/*") if p.is_file() and not {"shots", "plans"} & set(p.parts))
