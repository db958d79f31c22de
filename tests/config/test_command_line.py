"""From a command line or a YAML file to a plan, or to exit code 2 with a message and nothing written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sdbatch import __version__
from sdbatch.errors import shown
from tests.config.building import sdbatch as new_process

FAKE = ("model=fake", "prompts=[a sea]")
ARGUMENTS = [
    (["foo=1"], "foo: unknown key (known: name, task"),
    (["+foo=1"], "foo: unknown key (known: name, task"),
    (["steps=3"], "steps: unknown key (did you mean 'sampling.steps'?)"),
    (["sampling.stps=3"], "sampling.stps: unknown key (did you mean 'steps'?)"),
    (["sampling={steps: 3, foo: 5}"], "sampling.foo: unknown key (known: sampler, steps"),
    (["+sampling.foo=3"], "sampling.foo: unknown key (known: sampler, steps"),
    (["sampling.steps.x=3"], "sampling.steps.x: unknown key"),
    (["+sampling.steps=12"], "sampling.steps: exists already (leave out the +)"),
    (["~nope"], "nope: does not exist, so it cannot be removed"),
    (["sampling.steps=abc"], "sampling.steps: 'abc' is not a whole number"),
    (["sampling.steps="], "sampling.steps: '' is not a whole number"),
    (["sampling=null"], "sampling: null is not a mapping of keys"),
    (["sampling=5"], "sampling: 5 is not a mapping of keys"),
    (["prompts.0=x"], "prompts.0: list index out of range (write the whole list)"),
    (["model=tny"], "model: 'tny' does not exist; available: fake, local"),
    (["model=null"], "a group requires the name of a file (for example model=fake"),
    (["+model=fake"], "model: is already selected (write model=…, or in a file override /model: …)"),
    (["++experiment=anime_zoom"], "experiment: accepts one + at most (write +experiment=…)"),
    (["++model=fake"], "model: accepts one + at most (write model=…)"),
    (["cfg_scale=7"], "cfg_scale: unknown key (use sampling.guidance)"),
    (["sampling.cfg=7"], "sampling.cfg: unknown key (use sampling.guidance)"),
    (["motion.max_frames=7"], "motion.max_frames: unknown key (use motion.frames)"),
    (["model=fake", "model.path=x.safetensors"], "would be ignored: model.kind is fake, not local (add model=local)"),
    (["experiment=anime_zoom"], "experiment: must be added, not overridden (write +experiment=…)"),
    (["+experiment=anime_zom"], "experiment: 'anime_zom' does not exist; available: anime_zoom"),
    (["+experiment=../../etc/passwd"], "experiment: '../../etc/passwd' does not exist"),
    (["+experimnt=anime_zoom"], "experimnt: unknown key (did you mean +experiment=NAME?)"),
    (["negative=mist, fog"], "negative: 'mist, fog' contains a comma (quote it: 'negative=\"mist, fog\"')"),
    (["seeds=1,2"], "seeds: '1,2' contains a comma (for a list write 'seeds=[1,2]')"),
    (
        ["sampling.steps=4,8"],
        "contains a comma (for a sweep write 'sweep=[{sampling.steps: [4,8]}]', for separate runs add -m)",
    ),
    (["seeds=range(0,3)"], "seeds: 'seeds=range(0,3)' requests several runs (add -m; for seeds write 0..3)"),
    (
        ["prompts=[(a:1.2)]"],
        "prompts: 'prompts=[(a:1.2)]' cannot be parsed (quote each text, and the whole",
    ),
    (["prompts=['it's']"], "cannot be parsed (quote each text"),
    (["prompts=[😀]"], "prompts: 'prompts=[😀]' cannot be parsed (quote each text"),
    (["name=(a:1)"], "name: 'name=(a:1)' cannot be parsed (quote it, and the whole argument for"),
    (["sampling.steps=10..20"], "is not a whole number (for several values write sweep: [{sampling.steps: 10..20}])"),
    (["sampling.sampler=[ddim]"], "is not text (for several values write sweep: [{sampling.sampler: […]}])"),
    (
        ["+experiment=qqq"],
        "video_to_video (for your own file use --config-dir FOLDER with FOLDER/experiment/NAME.yaml)",
    ),
    (["--experiment=x"], "--experiment=x: unknown flag (write +experiment=NAME)"),
    (["sampling"], "'sampling' is not key=value"),
    (["=3"], "a group requires the name of a file"),
    (["["], "'[' is not key=value"),
    (
        ["anime_zoom"],
        "'anime_zoom' is not key=value, nor a .yaml file (for an experiment write +experiment=anime",
    ),
    (
        ["--experiment", "anime_zoom"],
        "--experiment: unknown flag (write +experiment=NAME)",
    ),
    (["--experimental-rerun=config.pickle"], "unknown flag"),
    (["--seeds", "3"], "--seeds: unknown flag (write seeds=…"),
    (["--seed", "5"], "--seed: unknown flag (write seeds=…)"),
    (["--steps=5"], "--steps=5: unknown flag (write sampling.steps=…)"),
    (["--cfg-scale", "7"], "--cfg-scale: unknown flag (use sampling.guidance)"),
    (["--zzz"], "--zzz: unknown flag (write key=value; for an experiment +experiment=NAME)"),
    (["first", "task=plan"], "'first' is not key=value, nor a .yaml file (for an experiment write +experiment=first)"),
    (["my.yaml", "plan"], "'plan' is not key=value, nor a .yaml file (write task=plan)"),
    (["my.yaml", "-m", "plan"], "'plan' is not key=value, nor a .yaml file (write task=plan)"),
    (["task", "=", "plan"], "'task' is not key=value, nor a .yaml file (write no spaces"),
    (["seeds=", "3"], "'3' is not key=value, nor a .yaml file (write no spaces around =)"),
    (["prompts=a", "cat"], "'cat' is not key=value, nor a .yaml file (quote a text that contains spaces, and the"),
    (["model=sdxl"], "SD 3 and FLUX are not supported, only Stable Diffusion 1.x, and 2.x as a folder (model=local))"),
    (["model=sd3"], "are not supported, only Stable Diffusion 1.x, and 2.x as a folder (model=local))"),
    (["model=sd1"], "did you mean 'sd15'?"),
    (["model=a.safetensors"], "tiny (for a file or folder write model=local model.path=a.safetensors)"),
    (["model=~/my a.safetensors"], "(for a file or folder write model=local model.path=~/my a.safetensors)"),
    (["motion.zoom={0: 1, 30: 2}"], "motion.zoom: {0: 1, 30: 2} is a mapping; a schedule is a list: [[0, 1], [30, 2]]"),
    (["model=./models/a"], "(for a file or folder write model=local model.path=./models/a)"),
    (["motion={mode: zoom, angle: '0:(1)'}"], "motion.angle: unknown key (use motion.roll (a value"),
    (["a=b=c"], "a: 'a=b=c' cannot be parsed"),
    (["\udc80"], "is not key=value"),
    (["prompts=['\udc80']"], "prompts[0]: '\\udc80' contains bytes that are not UTF-8 text"),
    (["name=${nope}"], "name: '${nope}' cannot be resolved: Interpolation key 'nope' not found"),
    (["name=${name}"], "name: '${name}' cannot be resolved: Recursive interpolation detected"),
    (["name=${oc.env:NOPE}"], "name: '${oc.env:NOPE}' cannot be resolved"),
    (["name='???'"], "name: '???' cannot be resolved: Missing mandatory value"),
    (["canvas=['${x}']"], "cannot be resolved"),
    (["name=../x"], "name: '../x' is not a name (the name of a folder"),
    (["name=MyFilm"], "at most 64 characters; for example myfilm)"),
    (["prompts={file: p.csv}"], "prompts: a mapping is not a list (put it in [ ]: 'prompts=[{…}]')"),
    (["sweep=[{runtime.rows: [4, 8]}]"], "sweep[0].runtime.rows: cannot be swept"),
    (["canvas=[969]"], 'canvas[0]: 969 is a number; quote the ratio: "16:9"'),
    (["task=rendr"], "task: unknown task 'rendr'; allowed: render"),
    (["hydra.mode=x"], "hydra.mode: Invalid value 'x'"),
    (["hydra/launcher=nope"], "hydra/launcher: 'nope' does not exist; available: basic"),
    (["--config-dir", "nowhere"], "nowhere' is not a folder"),
    (["+experiment=anime_zoom", "+experiment=poster"], "experiment: is given twice (name one)"),
    (["output=here"], "output: 'here' does not exist; available: default (write output.folder=here)"),
    (["--config-name", "nope"], "Cannot find primary config 'nope'"),
    (["output.folder=/dev/null"], "output.folder: '/dev/null/untitled' is not writable: Not a directory"),
    (["output.folder=/proc/sdbatch"], "output.folder: '/proc/sdbatch/untitled' is not writable"),
    (["prompts=[]"], "prompts: is empty (write at least one prompt,"),
    (["model=local", "model.path=/nowhere"], "model.path: '/nowhere' does not exist (model=small is built in"),
    (["seeds=-1,x", "-m"], "seeds: 'x' is not a seed"),
    (
        ["motion.seconds=2", "motion.zoom=1.5"],
        "motion.mode: is still, so motion.seconds, motion.zoom have no effect (write mode: ",
    ),
    (["motion.zoom=1.5"], "motion.mode: is still, so motion.zoom has no effect (write mode: "),
    (["sampling.steps=0", "-m", "name=a,b"], "sampling.steps: 0 is out of range"),
]


def _name(row: object) -> str:
    return shown(row)[:60]


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS, ids=_name)
def test_a_wrong_command_line_ends_with_2_and_writes_nothing(sdbatch, tmp_path, arguments, words):
    given = [a for a in FAKE if not any(b.startswith(a.split("=")[0]) for b in arguments)]
    said = sdbatch(*given, *arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "Traceback" not in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) in ([], ["runs"])


@pytest.mark.parametrize("words", [["task", "=", "plan"], ["prompts=a", "cat", "in", "snow"]], ids=_name)
def test_words_of_one_mistake_are_one_problem(sdbatch, words):
    assert sdbatch("model=fake", *words).err.count("is not key=value") == 1


def test_words_beside_a_conf_folder(sdbatch, tmp_path):
    """Hydra's flags that sdbatch adds are not among the words."""
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    said = sdbatch("grid", *FAKE)
    assert (said.code, said.out) == (2, "")
    assert "'grid' is not key=value, nor a .yaml file (for an experiment write +experiment=grid)" in said.err
    assert "usage" not in said.err


FILES = [
    ("name: [x\n", "mine.yaml cannot be read: line 3: did not find expected ',' or ']'"),
    ("\tname: x\n", "mine.yaml cannot be read: line 2: a tab; indent with spaces"),
    ("name: [a\nseeds: 0\n", "did not find expected ',' or ']' (the bracket in line 2; quote texts with brackets"),
    ('prompts: ["x]\nseeds: 0\n', "mine.yaml cannot be read: line 4: the quote that starts in line 2 is not closed"),
    ("negative: @x\n", "mine.yaml cannot be read: line 2: '@' cannot start a value; quote it"),
    ("negative: a: b\n", "mine.yaml cannot be read: line 2: unexpected colon; quote a text that contains"),
    ("prompts: {file: p.csv}\n", "prompts: {'file': 'p.csv'} is a mapping, not a list (write prompts: [{file:"),
    ("sweep: {sampling.steps: [1]}\nskip: {seeds: 1}\n", "wrong in 2 places"),
    ("sampling: [steps]\n", "sampling: ['steps'] is not a mapping of keys"),
    ('model: {path: "C:\\models"}\n', "line 2: a backslash in double quotes starts an escape; use single quotes"),
    ("prompts:\n  - {red|green} torii\n", "indicator; quote a text that starts with a bracket"),
    ("negative: {a|b} c\n", "mine.yaml cannot be read: line 2: did not find expected key; quote a text that starts"),
    ("prompts: [a cat: cute]\n", "prompts[0].a cat: unknown key (known: id, text, negative, file"),
    ("prompts: [{txt: a}]\n", "prompts[0].txt: unknown key (did you mean 'text'?)"),
    ("name: a\nname: b\n", "mine.yaml cannot be read: line 3: found duplicate key name"),
    ("- a\n- b\n", "mine.yaml is not a mapping of keys"),
    ("name: caf\udce9\n", "mine.yaml cannot be read: not UTF-8 text"),
    ("name: a\0\n", "mine.yaml cannot be read: character 27: control characters are not allowed"),
    ("a: " + "[" * 100_000, "mine.yaml cannot be read: nested more than 50 deep"),
    ("seeds: &s [*s]\n", "mine.yaml cannot be read: nested more than 50 deep"),
    ("name: !!python/object:os.system x\n", "mine.yaml cannot be read: line 2: could not determine a constructor"),
    ("defaults: [nope]\n", "'nope' does not exist"),
    ("defaults: [{override /model: nope}]\n", "model: 'nope' does not exist; available: fake"),
    ("defaults: [{/model: fake}]\n", "model: is already selected"),
    ("defaults: 5\n", "defaults"),
    ("defaults: [5]\n", "defaults"),
    ("defaults: [{a: [b, c]}]\n", "experiment: 'a/c' does not exist"),
    ("model: null\n", "model: null is not a mapping of keys"),
    ("model: x/a.safetensors\n", "is not a mapping of keys (write model=local model.path=x/a.safetensors)"),
    ("output: here\n", "output: 'here' is not a mapping of keys (write output.folder=here)"),
    (
        "motion: {zoom: [[0, 1], [end, 2]], fps: 12}\n",
        "motion.mode: is still, so motion.fps, motion.zoom have no effect",
    ),
    (
        "model: sd15\n",
        "model: 'sd15' is not a mapping of keys (write model=sd15, or in a file defaults: [override",
    ),
    ("canvas: [969]\n", 'canvas[0]: 969 is a number; quote the ratio: "16:9"'),
    ("prompts: [2026-01-02]\nnegative: 2026-01-02\nseeds: 1e3\n", "seeds: 1000.0 is not a seed"),
    ("sampling: {steps: 0x" + "f" * 9000 + "}\n", "mine.yaml cannot be read: a number of more than 300 digits"),
    ("sampling: {steps: 0x" + "f" * 90 + "}\n", "sampling.steps: a number of 360 bits is too large"),
    ("sampling: {guidance: .nan}\n", "sampling.guidance: nan is not a finite number"),
    ("name: !!binary aGk=\n", "name"),
    ("prompts: [!!set {a, b}]\n", "prompts"),
    ("? [1, 2]\n: 3\n", "mine.yaml"),
    ("1: 2\n", "the key 1 is not text"),
    ("null: 2\n", "a key is not text (quote it)"),
    ("a.b: 2\n", "a.b: unknown key"),
    ("sampling: {steps: 0}\nsweep: [{output.folder: [a]}]\nfoo: 1\n", "wrong in 2 places"),
    ("hydra: {nope: 1}\n", "hydra.nope: is not allowed in"),
    ("hydra: null\n", "hydra: null is not a mapping of keys"),
    ("name: ${motion.nope}\n", "name: '${motion.nope}' cannot be resolved"),
]


@pytest.mark.parametrize(("text", "words"), FILES, ids=_name)
def test_a_wrong_file_ends_with_2_and_writes_nothing(sdbatch, tmp_path, monkeypatch, text, words):
    mine(tmp_path, text)
    monkeypatch.setenv("SDBATCH_MODEL", "fake")
    said = sdbatch("--config-dir", "conf", "+experiment=mine")
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "Traceback" not in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) in (["conf"], ["conf", "runs"])


def test_ratios_without_quotes(sdbatch, tmp_path):
    """dvc exp run -S writes them so; to YAML 1.1 16:9 is the number 969."""
    mine(tmp_path, "prompts: [a cat]\ncanvas: [16:9, 9:16, 1:1, 3:2]\nsampling: {steps: 1_0}\n")
    said = sdbatch("--config-dir", "conf", "+experiment=mine", "model=fake", "task=plan")
    assert said.code == 0
    assert "4 new" in said.out


def test_an_experiment_file_anywhere(sdbatch, tmp_path):
    """No folder, no # @package line."""
    (tmp_path / "my first.yaml").write_text("name: own\nprompts: [a sea, a hill]\nmodel: {kind: fake}\n", "utf-8")
    said = sdbatch("my first.yaml", "seeds=0..1", "task=plan")
    assert (said.code, said.out.splitlines()[0].split("  ")[:2]) == (0, ["own", "4 jobs"]), said.err
    mine(tmp_path, "")
    assert sdbatch("--config-dir", "conf", "my first.yaml", "task=plan").code == 0
    for more, words in (
        ("other.yaml", "2 experiment files: 'my first.yaml', 'other.yaml' (name one)"),
        ("seed=1", "seed: unknown key (did you mean 'seeds'?)"),
        ("+experiment=anime_zoom", "experiment: 'my first.yaml' is an experiment, and +experiment=anime_zoom too"),
        ("experiment=anime_zoom", "experiment: 'my first.yaml' is an experiment, and experiment=anime_zoom too"),
    ):
        said = sdbatch("my first.yaml", more)
        assert (said.code, words in said.err) == (2, True), said.err
    said = sdbatch("nowhere.yaml")
    assert (said.code, "'nowhere.yaml' cannot be read: No such file" in said.err) == (2, True)


@pytest.mark.parametrize("name", ["ü (x), y='z", "日本 [#~;&]{", '"', "it's\\'\\"])
def test_the_name_of_the_temporary_folder_is_free(sdbatch, tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    (tmp_path / "my.yaml").write_text("name: own\nprompts: [a sea]\nmodel: {kind: fake}\n", "utf-8")
    for more in ((), ("-m", "seeds=1,2")):
        said = sdbatch("my.yaml", "task=plan", *more)
        assert (said.code, "1 job" in said.out) == (0, True), said.err
    assert list((tmp_path / name).iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [x\n", "'bad.yaml' cannot be read: line 2: did not find expected ',' or ']'"),
        ("name: a\nname: b\n", "'bad.yaml' cannot be read: line 2: found duplicate key name"),
        ("# @package _global_\nname: a\nname: b\n", "'bad.yaml' cannot be read: line 3: found duplicate key name"),
        ("- a\n", "'bad.yaml' is not a mapping of keys"),
        ("hydra: {run: {dir: x}}\n", "hydra.run: is not allowed in experiment/bad.yaml"),
    ],
)
def test_errors_in_a_file_name_that_file_and_its_line(sdbatch, tmp_path, text, words):
    (tmp_path / "bad.yaml").write_text(text)
    said = sdbatch("bad.yaml", *FAKE)
    assert said.code == 2
    assert words in said.err
    assert "file-bad" not in said.err


@pytest.mark.parametrize("name", ["my.yml", "mi.yaml"])
def test_a_file_that_does_not_exist_and_one_that_does(sdbatch, tmp_path, name):
    (tmp_path / "my.yaml").write_text("name: x\n")
    said = sdbatch(name, *FAKE)
    assert (said.code, f"'{name}' cannot be read: No such file" in said.err) == (2, True)
    assert "(did you mean 'my.yaml'?)" in said.err


def test_still_on_the_command_line_is_a_choice(sdbatch):
    said = sdbatch("+experiment=vertical_story", "motion.mode=still", "model=fake", "task=plan")
    assert (said.code, "videos/" in said.out) == (0, False), said.err


def test_shell_completion_can_be_installed(sdbatch):
    said = sdbatch("-sc", "install=bash")
    assert (said.code, "complete" in said.out) == (0, True), said.err


ATTACKS = [
    (
        "hydra: {callbacks: {x: {_target_: os.system, command: touch broken}}}\n",
        "hydra.callbacks: is not allowed in",
    ),
    ("hydra: {launcher: {_target_: os.system}}\n", "hydra.launcher._target_: is not allowed in"),
    ("hydra: {launcher: {setup: [touch broken]}}\n", "hydra.launcher.setup: is not allowed in"),
    ("hydra: {job_logging: {handlers: {x: {class: subprocess.Popen, args: [touch, broken]}}}}\n", "hydra.job_logging"),
    ("hydra: {run: {dir: ../elsewhere}}\n", "hydra.run: is not allowed in experiment/mine.yaml"),
    ("hydra: {job: {chdir: true}}\n", "hydra.job: is not allowed in"),
    ("defaults: [experiment/other@hydra.callbacks]\n", "is not allowed in"),
    ("defaults: [{experiment@hydra.job_logging: other}]\n", "is not allowed in"),
    ("x: {y: [{_target_: os.system}]}\n", "x.y._target_: is not allowed in"),
]


@pytest.mark.parametrize(("text", "words"), ATTACKS, ids=_name)
def test_a_file_of_others_cannot_run_code_or_write_elsewhere(sdbatch, tmp_path, text, words):
    mine(tmp_path, text)
    mine(tmp_path, "x: {_target_: os.system, command: touch broken}", "other")
    said = sdbatch("--config-dir", "conf", "+experiment=mine", *FAKE, "task=plan")
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "set it on the command line" in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) in (["conf"], ["conf", "runs"])


@pytest.mark.parametrize("place", ["hydra", "hydra.job_logging", "hydra.callbacks"])
def test_a_file_cannot_slip_into_hydra_by_its_first_line(sdbatch, tmp_path, place):
    mine(tmp_path, f"# @package {place}\nformatters: {{x: {{}}}}\ncallbacks: {{}}\n", package="")
    said = sdbatch("--config-dir", "conf", "+experiment=mine", *FAKE, "task=plan")
    assert said.code == 2
    assert "is not allowed in" in said.err


def test_a_file_may_say_how_to_launch(sdbatch, tmp_path):
    mine(tmp_path, "hydra: {sweeper: {params: {seeds: '1,2'}}}\n")
    said = sdbatch("--config-dir", "conf", "+experiment=mine", *FAKE, "task=plan", "-m")
    assert (said.code, said.err, said.out.count("1 job,")) == (0, "", 2)


def mine(folder: Path, text: str, name: str = "mine", package: str = "# @package _global_\n") -> None:
    """An experiment of the user's own."""
    file = folder / "conf" / "experiment" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(f"{package}{text}".encode("utf-8", "surrogateescape"))


TEXTS = [
    "${x} ${oc.env:HOME} $${y} \\${z}",
    "???",
    "a 'b' \"c\"",
    "a\nb\tc",
    "../../etc/passwd",
    "😀 日本",
    "$(id) `id`; rm -rf {x}",
    "$\ue000{x} $\ue000\ue000{y}",
    "{{ jinja }} %s <b>&amp;",
    "16:9",
    "null",
]


@pytest.mark.parametrize("text", TEXTS, ids=_name)
def test_texts_are_data_from_a_file(sdbatch, tmp_path, text):
    entry = {"id": "x", "text": text, "negative": text}
    data = {"prompts": [text, entry], "negative": text, "model": {"kind": "fake"}}
    mine(tmp_path, json.dumps(data, ensure_ascii=False))
    assert set(prompts(sdbatch("--config-dir", "conf", "+experiment=mine"), tmp_path)) == {(text, text)}


@pytest.mark.parametrize("text", TEXTS, ids=_name)
def test_texts_are_data_on_the_command_line(sdbatch, tmp_path, text):
    quoted = '"' + text.replace('"', '\\"') + '"'
    said = sdbatch("model=fake", f"prompts=[{quoted}]", f"negative={quoted}")
    assert prompts(said, tmp_path) == [(text, text)]


def prompts(said, folder: Path) -> list[tuple[str, str]]:
    """What was rendered, as its files say."""
    assert said.code == 0, said.err
    kept = folder / "outputs" / "untitled" / "plan.jsonl"
    lines = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    return [(line["shot"]["prompt"], line["shot"]["negative"]) for line in lines if "shot" in line]


def test_unknown_keys_are_named_with_everything_else(sdbatch):
    """Hydra alone would stop at the first."""
    said = sdbatch(*FAKE, "steps=30", "sampling.cfg=7", "width=512", "seeds=x", "+foo=1", "~nope")
    assert said.code == 2
    assert "nope: does not exist" in said.err
    said = sdbatch(*FAKE, "steps=30", "sampling.cfg=7", "width=512", "seeds=x", "+foo=1")
    keys = [line.partition(":")[0].strip() for line in said.err.splitlines()[1:]]
    assert sorted(keys) == ["foo", "sampling.cfg", "seeds", "steps", "width"]


def test_groups_of_ones_own_are_chosen_as_hydra_chooses(sdbatch, tmp_path):
    mine(tmp_path, "defaults: [/style: dark, _self_]\n")
    for name, steps in (("dark", 3), ("light", 5)):
        file = tmp_path / "conf" / "style" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"# @package _global_\nsampling: {{steps: {steps}}}\n")
    said = sdbatch("--config-dir", "conf", "+experiment=mine", "style=light", *FAKE, "task=plan")
    assert (said.code, said.err) == (0, "")
    assert "5 evaluations" in said.out


def test_help_and_version_speak_of_sdbatch(sdbatch):
    help_text = sdbatch("--help")
    assert help_text.code == 0
    assert "+experiment=anime_zoom task=plan" in help_text.out
    assert "Hydra" not in help_text.out
    assert sdbatch("--version").out.startswith(f"sdbatch {__version__}")


def test_ctrl_c_while_the_program_is_loaded(sdbatch, monkeypatch):
    monkeypatch.delitem(sys.modules, "sdbatch.config.hydra_source")
    monkeypatch.delattr("sdbatch.config.hydra_source")
    monkeypatch.setattr(sys, "meta_path", [Pressed(), *sys.meta_path])
    said = sdbatch(*FAKE)
    assert (said.code, said.err) == (130, "sdbatch: interrupted; run the same command again to resume\n")


class Pressed:
    """Ctrl-C in the middle of an import."""

    def find_spec(self, name, path=None, target=None):
        if name == "sdbatch.config.hydra_source":
            raise KeyboardInterrupt


def test_one_canvas_needs_no_brackets(sdbatch):
    assert "canvas   16:9" in sdbatch(*FAKE, "canvas=16:9", "task=plan").out


def test_a_path_may_begin_at_home(sdbatch):
    assert (
        "/nope.safetensors' does not exist"
        in sdbatch("prompts=[a]", "model=local", "model.path=~/nope.safetensors").err
    )


def test_notes_are_said_once_and_only_if_something_is_rendered(sdbatch):
    given = (*FAKE, "prompts=['a (sea']", "name=a")
    assert sdbatch("-m", *given, "sampling.steps=4,5").err.count("this ( is not closed") == 1
    assert sdbatch(*given, "sampling.steps=4").err == ""


def test_several_runs_and_the_worst_code_wins(sdbatch, tmp_path):
    said = sdbatch("-m", *FAKE, "sampling.steps=0,4", "name=a")
    assert said.code == 2
    assert "run 1 (sampling.steps=0): the configuration is wrong; nothing was written\n  sampling.steps: 0" in said.err
    assert "a, run 2 (sampling.steps=4): 1 rendered" in said.out
    assert {p.name for p in tmp_path.iterdir()} == {"outputs", "runs"}
    assert {p.name for p in (tmp_path / "runs").iterdir()} == {"a"}


@pytest.mark.parametrize("given", ["sampling.steps=6", "sampling={steps: 6}"])
def test_a_swept_key_on_the_command_line_is_refused(sdbatch, tmp_path, given):
    """It would be ignored; with ``sweep=[]`` it is what was meant."""
    mine(tmp_path, "sweep: [{sampling.steps: [2, 4]}]\n")
    said = sdbatch("--config-dir", "conf", "+experiment=mine", *FAKE, given)
    assert said.code == 2
    assert "sampling.steps: is swept by the experiment" in said.err
    assert sdbatch("--config-dir", "conf", "+experiment=mine", *FAKE, given, "sweep=[]", "task=plan").code == 0


def test_flags_may_stand_anywhere(sdbatch, tmp_path):
    (tmp_path / "conf").mkdir()
    said = sdbatch(*FAKE, "--config-dir", "conf", "task=plan", "-m", "seeds=1,2")
    assert (said.code, said.err, said.out.count("1 job")) == (0, "", 4)


def test_a_forgotten_first_line_is_named(sdbatch, tmp_path):
    mine(tmp_path, "name: mine\n", package="")
    said = sdbatch("--config-dir", "conf", "+experiment=mine", *FAKE)
    assert said.code == 2
    assert "experiment: its keys must be at the top level (begin the file with # @package _global_)" in said.err


def test_a_hidden_file_is_named(sdbatch, tmp_path):
    mine(tmp_path, "name: mine\n", "anime_zoom")
    said = sdbatch("--config-dir", "conf", "+experiment=anime_zoom", "model=fake")
    assert said.code == 2
    assert "has the name of a built-in file and would be ignored (rename it)" in said.err


def test_missing_weights_are_reported_before_anything_is_written(tmp_path):
    done = new_process("model=sd15", "prompts=[a sea]", cwd=tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hub"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "are not on this machine" in done.stderr
    assert "model=small is built in" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_without_network_there_is_one_message_and_no_waiting(tmp_path):
    hub, cache = "http://127.0.0.1:9", str(tmp_path / "hub")
    done = new_process("model=sd15", "prompts=[a sea]", cwd=tmp_path, HF_ENDPOINT=hub, HF_HOME=cache)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be downloaded (127.0.0.1 cannot be reached: Connection refused)" in done.stderr
    assert "Retrying" not in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_new_process_says_the_same(tmp_path):
    """Exit code, no traceback, nothing on standard output: through a real shell's eyes."""
    done = new_process("model=fake", "prompts=[]", "foo=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "foo: unknown key" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "outputs").exists()
