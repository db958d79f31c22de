"""A git repository with this checkout's dvc.yaml, params.yaml, conf/ and sources, the fake model and real DVC."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parents[2]
LITTLE = """\
# @package _global_
# Two pictures and a video.
name: {name}
prompts: ["a torii gate", "a lighthouse"]
seeds: 0..1
canvas: ["16:9"]
motion: {{mode: prompt, frames: 4, fps: 8, phrase: "at {{t:.2f}}"}}
sweep:
  - {{motion.mode: [still, prompt]}}
"""


class Repository:
    """``dvc``, ``git`` and ``sdbatch`` in it; nothing of the environment's is on the PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "SDBATCH_MODEL")} | {
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "PYTHONPATH": str(root / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
            "HOME": str(root / ".home"),
            **{f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def json(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments, "--json"],
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    def sdbatch(self, *arguments: str, code: int = 0) -> str:
        return self.run("scripts/sdbatch", *arguments, code=code)

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new))

    def metrics(self) -> dict[str, int]:
        """``dvc metrics show``: how many jobs each file counts."""
        files = self.json("metrics", "show")[""]["data"]
        return {name: shown["data"]["jobs"] for name, shown in files.items()}

    def digest(self, name: str) -> str:
        """What dvc.lock says of an experiment's folder."""
        lock = yaml.safe_load((self.root / "dvc.lock").read_text())
        outs = {out["path"]: out["md5"] for out in lock["stages"][f"render@{name}"]["outs"]}
        return str(outs[f"outputs/{name}"])

    def tracked(self, name: str) -> set[str]:
        """Files of an experiment in DVC's cache."""
        digest = self.digest(name)
        listing = self.root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
        return {entry["relpath"] for entry in json.loads(listing.read_bytes())}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "repository"
    ignored = shutil.ignore_patterns("small", "tiny", "__pycache__")
    shutil.copytree(HERE / "src/sdbatch", root / "src/sdbatch", ignore=ignored)
    shutil.copytree(HERE / "conf", root / "conf")
    shutil.copytree(HERE / "scripts", root / "scripts")
    for name in (".dvcignore", ".gitignore", "dvc.yaml", "params.yaml"):
        shutil.copy(HERE / name, root)
    (root / ".venv").symlink_to(sys.prefix)
    (root / ".home").mkdir()
    found = Repository(root)
    only(found, "little", "other")
    found.run("git", "init", "-q")
    (root / ".git/info/exclude").write_text(".venv\n.home\n")
    found.dvc("init", "-q")
    return found


def only(repository: Repository, *names: str) -> None:
    """The shipped dvc.yaml, with a params.yaml of other experiments and the fake model."""
    (repository.root / "params.yaml").write_text(yaml.safe_dump({"model": "fake", "experiments": list(names)}))
    for name in names:
        (repository.root / f"conf/experiment/{name}.yaml").write_text(LITTLE.format(name=name))
