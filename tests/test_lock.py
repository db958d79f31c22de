"""The lock files hold the versions of constraints.txt, with hashes; the Dockerfile's steps fit the repository."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sdbatch.version import __version__
from tests.config.building import ROOT

LOCKS = ["requirements.lock", "requirements-cpu.lock"]


def pinned(name: str) -> dict[str, str]:
    """Versions by name in a file for pip."""
    lines = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", (ROOT / name).read_text("utf-8"), re.M)
    return {canonicalize_name(name): version for name, version in lines}


@pytest.mark.parametrize("lock", LOCKS)
def test_versions_are_those_of_the_constraints(lock: str) -> None:
    """After a change of constraints.txt or of the dependencies:   make lock"""
    constraints, locked = pinned("constraints.txt"), pinned(lock)
    plain = {name: version.partition("+")[0] for name, version in locked.items()}
    assert {n: v for n, v in plain.items() if n in constraints} == {
        n: constraints[n] for n in plain if n in constraints
    }
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    required = {canonicalize_name(Requirement(need).name) for need in needs}
    assert required <= locked.keys()


def test_every_package_that_is_installed_is_pinned() -> None:
    assert pinned("requirements-cpu.lock").keys() - {"setuptools"} <= pinned("constraints.txt").keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_version_has_a_hash_and_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert all(re.search(r"\\\n    --hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert "://" not in text
    assert "--find-links" not in text


def test_only_one_of_them_has_cuda() -> None:
    cuda, cpu = map(pinned, LOCKS)
    assert cpu["torch"].endswith("+cpu")
    assert not cpu.keys() & {n for n in cuda if n.startswith("nvidia-")}
    assert any(n.startswith("nvidia-") for n in cuda)


@pytest.fixture
def image() -> dict:
    return runpy.run_path(str(ROOT / "scripts" / "image_steps.py"))


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_the_steps_of_an_image(image: dict, target: str) -> None:
    steps = image["steps"]((ROOT / "Dockerfile").read_text("utf-8"), target)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for instruction, rest in steps:
        if instruction == "COPY":
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert any(Path(source).match(line.removeprefix("!")) for line in ignored if line.startswith("!"))
    installs = [rest for instruction, rest in steps if instruction == "RUN" and rest.startswith("pip install")]
    assert all("--require-hashes" in rest and "--no-deps" in rest for rest in installs)
    assert steps[-1] == ("ENTRYPOINT", '["python", "-m", "sdbatch"]')


def test_the_steps_are_executed(image: dict, tmp_path: Path) -> None:
    """As a daemon would: folders of the image, arguments, environment, the copied program."""
    steps = [
        ("ENV", "PYTHONPATH=/opt/program/src GREETING=hello"),
        ("ARG", "WHOM=nobody"),
        ("WORKDIR", "/opt/program"),
        ("COPY", "Dockerfile ."),
        ("COPY", "src/sdbatch/version.py src/"),
        ("RUN", "python -c 'import version; print(version.__version__)' > out && echo $GREETING $WHOM >> out"),
    ]
    (tmp_path / "opt/program/src").mkdir(parents=True)
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)
    image["run"](steps, {"WHOM": "world"}, tmp_path)
    assert (tmp_path / "opt/program/out").read_text().splitlines() == [__version__, "hello world"]
    assert (tmp_path / "opt/program/Dockerfile").read_bytes() == (ROOT / "Dockerfile").read_bytes()
    with pytest.raises(subprocess.CalledProcessError):
        image["run"]([("RUN", "false")], {}, tmp_path)


def test_a_target_that_is_not_there() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/image_steps.py", "gpu"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no target gpu; there are base, cpu, cuda" in done.stderr
