"""``task=submit``: the scripts, run by bash as SLURM would, and what is refused. tests/cluster/ has the real SLURM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdbatch.config.cluster import SubmitSettings
from sdbatch.config.validation import check
from sdbatch.errors import ConfigError
from sdbatch.workers import sbatch
from tests import patience
from tests.faults.harness import tree
from tests.tasks import fake_slurm

HERE = Path(__file__).parents[2]
EVIL = 'it\'s $(touch pwned) `touch pwned` "q" ${x} \\ 🙂\x7f 1e5'
QUOTED = json.dumps(EVIL, ensure_ascii=False).replace("\x7f", r"\x7f")
EXPERIMENT = f"""
# @package _global_
name: x
prompts: [{QUOTED}, "1e5", "???"]
seeds: 0..3
canvas: [48x32]
model: {{kind: fake}}
gallery: {{enabled: false}}
""".lstrip()


class Site:
    """A working folder with an experiment, and a stand-in for SLURM."""

    def __init__(self, folder: Path, size: int = 1001) -> None:
        self.folder = folder / "it's a $HOME"
        self.slurm = folder / "slurm"
        self._log = folder / "said.txt"
        (self.folder / "conf/experiment").mkdir(parents=True)
        (self.folder / "conf/experiment/x.yaml").write_text(EXPERIMENT, "utf-8")
        self.environment = {
            **os.environ,
            **fake_slurm.install(self.slurm, size),
            "PYTHONPATH": f"{HERE / 'src'}{os.pathsep}{HERE}",
        }
        self.environment.pop("SDBATCH_MODEL", None)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sdbatch", "--config-dir", "conf", "+experiment=x", *arguments]
        with self._log.open("wb") as log:
            return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)

    def run(self, *arguments: str) -> tuple[int, str]:
        return self.start(*arguments).wait(120), self.said

    @property
    def said(self) -> str:
        """The output of the command that was started last."""
        return self._log.read_text("utf-8")

    def bash(self, **more: str) -> subprocess.Popen[bytes]:
        """The workers' script, as one task of the array."""
        (script,) = self.folder.glob("runs/x/slurm/*/workers.sh")
        environment = {**self.environment, "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3", **more}
        return subprocess.Popen(["bash", script], env=environment, cwd="/", start_new_session=True)

    def calls(self, name: str) -> list[list[str]]:
        return [arguments for command, *arguments in fake_slurm.calls(self.slurm) if command == name]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for path in made.slurm.glob("pids/*"):
        if patience.runs(int(path.name)):
            os.killpg(int(path.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one undisturbed process makes."""
    alone = Site(tmp_path_factory.mktemp("alone"))
    code, said = alone.run()
    assert code == 0, said
    return tree(alone.folder / "outputs")


def test_a_dry_run_prints_what_would_be_submitted(site: Site) -> None:
    code, said = site.run(
        "task=submit",
        "submit.dry=true",
        "submit.workers=5",
        'submit.partition="gpu,big"',
        "submit.gpus=a100:2",
        "submit.at_once=3",
        'submit.options=["--constraint=a100|h100","--exclusive"]',
    )
    assert code == 0, said
    for line in (
        "--array=0-4%3",
        "--partition=gpu,big",
        "--gres=gpu:a100:2",
        "--signal=B:USR1@120",
        "--requeue",
        "--constraint=a100|h100",
        "--exclusive",
        "--job-name=sdbatch-x-end",
    ):
        assert f"\n#SBATCH {line}\n" in said
    assert not site.calls("sbatch")
    assert not (site.folder / "outputs").exists()
    for script in site.folder.glob("runs/x/slurm/*/*.sh"):
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
        assert script.read_text() in said


def test_the_script_renders_what_the_command_would(site: Site, reference: dict[str, bytes]) -> None:
    """Whatever the prompts hold; also after the experiment's file has changed."""
    assert site.run("task=submit", "submit.dry=true", "submit.workers=1", "submit.gpus=0")[0] == 0
    (site.folder / "conf/experiment/x.yaml").write_text("# @package _global_\nname: other\nprompts: [a hill]\n")
    assert site.bash().wait(120) == 0
    assert tree(site.folder / "outputs") == reference
    assert not list(site.folder.parent.rglob("pwned"))


def test_a_prompt_file_that_has_changed_is_refused(site: Site) -> None:
    file = site.folder / "prompts.txt"
    file.write_text("a sea\n")
    keys = ("prompts=[{file: prompts.txt}]", "task=submit", "submit.workers=1", "submit.dry=true")
    assert site.run(*keys)[0] == 0
    file.write_text("a hill\n")
    assert site.bash().wait(120) == 2
    assert not (site.folder / "outputs").exists()


def test_arrays_and_the_job_after_them(site: Site) -> None:
    code, said = site.run("task=submit", "submit.workers=3", "submit.dry=false")
    assert code == 0, said
    first, end = site.calls("sbatch")
    assert first[:2] == ["--parsable", "--array=0-2"]
    assert end[:2] == ["--parsable", "--dependency=afterany:2"]  # the second call got this number
    patience.until(lambda: len(list(site.folder.glob("outputs/x/images/*.png"))) == 12, timeout=120)
    code, said = site.run("task=submit", "submit.workers=3")
    patience.until(lambda: not any(patience.runs(int(p.name)) for p in site.slurm.glob("pids/*")), timeout=120)
    code, said = site.run("task=submit", "submit.workers=3")
    assert (code, said) == (0, "x: nothing to do\n")


def test_a_final_is_rendered_by_an_array(site: Site, tmp_path: Path) -> None:
    here = Site(tmp_path / "here")
    for one in (site, here):
        assert one.run("seeds=0..3")[0] == 0
    chosen = [path.name for path in site.folder.glob("outputs/x/images/*-s[12]-*.png")]
    (site.folder / "chosen.txt").write_text("\n".join(chosen))
    (here.folder / "chosen.txt").write_text((site.folder / "chosen.txt").read_text())
    keys = ("name=x", "final.jobs=[chosen.txt]", "final.set={sampling.steps: 5, negative: fog}")
    assert here.run(*keys, "task=final")[0] == 0
    code, said = site.run(*keys, "task=submit", "submit.task=final", "submit.workers=2")
    assert code == 0, said
    assert said.startswith("x-final: 2 workers in job")
    patience.until(lambda: len(list(site.folder.glob("outputs/x-final/images/*.png"))) == 6, timeout=120)
    patience.until(lambda: not any(patience.runs(int(p.name)) for p in site.slurm.glob("pids/*")), timeout=120)
    (collect,) = site.folder.glob("runs/x-final/slurm/*/collect.sh")
    ended = subprocess.run(["bash", collect], env=site.environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "x-final: 6 done before")
    assert tree(site.folder / "outputs") == tree(here.folder / "outputs")
    (site.folder / "chosen.txt").write_text(chosen[0])
    ended = subprocess.run(["bash", collect], env=site.environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "plan.digest: this is another plan than the one that was submitted" in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("task=submit",), "final.jobs: has no effect: the jobs of submit.task=render render the whole plan"),
        (("+cluster=slurm",), "final.jobs: has no effect: the jobs of submit.task=render render the whole plan"),
        (("+cluster=slurm", "task=final"), "task: final renders in this process, not on a cluster"),
    ],
)
def test_a_final_is_not_rendered_elsewhere_by_mistake(site: Site, keys: tuple[str, ...], said: str) -> None:
    code, found = site.run(*keys, "final.jobs=[j0123456789abcdef]", "submit.workers=2")
    assert code == 2
    assert said in found
    assert "submit.task=final" in found
    assert not site.calls("sbatch")
    assert not (site.folder / "outputs").exists()


def test_an_array_is_no_longer_than_the_cluster_allows(tmp_path: Path) -> None:
    assert sbatch.split(2500, 1001) == [1001, 1001, 498]
    assert sbatch.split(3, 1001) == [3]
    assert sbatch.split(2, 1) == [1, 1]
    site = Site(tmp_path, size=2)
    code, said = site.run("task=submit", "submit.workers=5")
    assert code == 0, said
    arrays = [call[1] for call in site.calls("sbatch")]
    assert arrays[:3] == ["--array=0-1", "--array=0-1", "--array=0-0"]
    assert arrays[3].count(":") == 3
    patience.until(lambda: not any(patience.runs(int(p.name)) for p in site.slurm.glob("pids/*")), timeout=120)


def test_the_number_of_workers_from_the_cost_and_the_rate(site: Site) -> None:
    code, said = site.run("task=submit")
    assert code == 2
    assert "submit.workers: is needed: no earlier run of this experiment has measured the rate" in said
    assert not (site.folder / "outputs").exists()
    assert site.run("seeds=0..1", "model.fake.delay=0.2")[0] == 0
    many = ("seeds=0..99", "task=submit", "submit.dry=true")
    code, said = site.run(*many, "submit.hours=0.001")
    assert code == 0, said
    count = int(said.partition("--array=0-")[2].partition("\n")[0]) + 1
    assert 2 <= count <= 294, "294 jobs at about 0.05 s each, in 3.6 s"
    code, said = site.run(*many)
    assert "--array=0-0\n" in said, "one is enough for four hours"


def test_without_slurm_nothing_is_written(site: Site) -> None:
    site.environment["PATH"] = str(Path(sys.executable).parent)
    code, said = site.run("task=submit", "submit.workers=2")
    assert code == 2
    assert "task: submit needs sbatch, which is not on this machine" in said
    assert not (site.folder / "outputs").exists()


def test_what_sbatch_says_is_passed_on(site: Site) -> None:
    code, said = site.run("task=submit", "submit.workers=2", "submit.partition=refused")
    assert code == 2
    assert "invalid partition specified: refused" in said
    assert not (site.folder / "outputs").exists()


@pytest.mark.parametrize(
    ("end", "restarts", "code", "requeued"),
    [
        (signal.SIGUSR1, 0, 130, True),
        (signal.SIGUSR1, 7, 130, True),
        (signal.SIGTERM, 0, 130, False),
        (signal.SIGKILL, 0, 137, True),
        (signal.SIGKILL, 2, 137, False),
    ],
)
def test_which_jobs_go_back_into_the_queue(
    site: Site, reference: dict[str, bytes], *, end: signal.Signals, restarts: int, code: int, requeued: bool
) -> None:
    keys = ("model.fake.delay=0.5", "task=submit", "submit.workers=1", "submit.dry=true")
    assert site.run(*keys)[0] == 0
    script = site.bash(SLURM_RESTART_COUNT=str(restarts))
    patience.until(lambda: any(site.folder.glob("outputs/x/images/*.png")), timeout=120)
    if end is signal.SIGUSR1:
        os.kill(script.pid, end)  # SLURM signals the batch shell alone
    elif end is signal.SIGTERM:
        os.killpg(script.pid, end)  # scancel signals all processes of the job
    else:
        (worker,) = Path(f"/proc/{script.pid}/task/{script.pid}/children").read_text().split()
        os.kill(int(worker), end)
    assert script.wait(60) == code
    assert site.calls("scontrol") == ([["requeue", "7_3"]] if requeued else [])
    assert site.run()[0] == 0, "the rest"
    assert tree(site.folder / "outputs") == reference


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"time": "4h"}, "submit.time: '4h' is not allowed; write \"hours:minutes:seconds\""),
        ({"gpus": "all"}, "submit.gpus: 'all' is not allowed; write how many, or type:how many such as a100:2"),
        ({"gpus": True}, "submit.gpus: true is not allowed"),
        ({"memory": "16 GB"}, "submit.memory: '16 GB' is not allowed; write a size with its unit: 16G"),
        ({"memory": "16"}, "submit.memory: '16' is not allowed; write a size with its unit"),
        ({"memory": 16}, "submit.memory: 16 is not text (write 16G, or another unit: K, M, T)"),
        ({"partition": "a;rm -rf /"}, "submit.partition: 'a;rm -rf /' is not allowed; write a name of SLURM"),
        ({"account": "a\nb"}, "submit.account"),
        ({"options": ["--array=3"]}, "'--array=3' is set by sdbatch; leave it out"),
        ({"options": ["--mem=3G"]}, "'--mem=3G' is set by sdbatch; use submit.memory"),
        ({"options": ["-p gpu"]}, "'-p gpu' is not allowed; write a long option of sbatch"),
        ({"options": ["--comment=a b"]}, "'--comment=a b' is not allowed"),
        ({"options": ["--comment=$(id)"]}, "'--comment=$(id)' is not allowed"),
        ({"workers": 0}, "submit.workers: 0 is out of range 1–100000"),
    ],
)
def test_mistakes(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as e:
        check(SubmitSettings, wrong, "submit")
    assert said in str(e.value)


@pytest.mark.parametrize(("time", "hours"), [("00:30:00", 0.5), ("1-12:00:00", 36), ("96:00:36", 96.01)])
def test_a_time_limit_in_hours(time: str, hours: float) -> None:
    assert check(SubmitSettings, {"time": time}).limit == pytest.approx(hours)
