"""Whatever is written, the answer is a plan or exit code 2: never a traceback, never a file elsewhere.

``make fuzz`` tries 5,000 cases instead of 300.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sdbatch import cli
from sdbatch.errors import ConfigError, StoreError
from sdbatch.tasks import dispatch
from tests.fuzz.configurations import CONFIGURATIONS, JUNK, TEXTS
from tests.sound.clicks import clicks

CASES = int(os.environ.get("SDBATCH_FUZZ", "300"))


def cases(share: float) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
    return settings(max_examples=max(1, int(CASES * share)), deadline=None, suppress_health_check=slow, print_blob=True)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDBATCH_MODEL", "fake")
    clicks(tmp_path / "beat.wav", seconds=1.0)
    (tmp_path / "styles.csv").write_text("name;prompt\nfilm;{prompt} AND film\nsky;{~red|blue} sky\n")
    return tmp_path


def outcome(data: dict) -> int:
    """Exit code of ``data``; what is printed is thrown away."""
    fixed = {"model": {"kind": "fake"}, "plan": {"limit": 60, "format": "json"}}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return dispatch.run({**data, **fixed})
        except ConfigError as e:
            problems = e.problems
    assert problems
    assert max(len(str(p)) for p in problems) < 1500
    return 2


@cases(0.6)
@given(CONFIGURATIONS)
def test_any_configuration_is_planned_or_refused(data):
    assert outcome({**data, "task": "plan"}) in (0, 2)


# ---- YAML


LINES = st.one_of(
    st.sampled_from(
        [
            "prompts: [a sea]",
            "prompts:\n  - {id: x, text: 'a {b|c}'}",
            "seeds: 0..3",
            "seeds: &s [1, 2]",
            "canvas: [16:9]",
            "canvas: *s",
            "sampling: {steps: 4",
            "sampling:\n  steps: 4\n  steps: 5",
            "motion: {mode: prompt, frames: 3, phrase: '{t}'}",
            "motion:\n\tmode: prompt",
            "defaults: [/prompt_set: landscapes, _self_]",
            "defaults: [{override /model: tiny}]",
            "defaults: {a: b}",
            "defaults: [null, 5, [x]]",
            "hydra: {job: {name: x}}",
            "hydra: {run: {dir: ../../elsewhere}}",
            "name: ${oc.env:HOME}",
            "name: ${name}",
            "negative: ${",
            "<<: {a: b}",
            "? [a]\n: b",
            "--- \n...",
            "%TAG ! tag:x,2000:",
            "a: !!python/name:os.system ''",
            "sweep:\n  - {sampling.steps: [1, 2], seeds: 0..1}",
            "# @package sampling",
        ]
    ),
    st.tuples(st.sampled_from(["name", "seeds", "canvas", "sampling", "motion", "sweep", "prompts", "x"]), JUNK).map(
        lambda pair: yaml.safe_dump(dict([pair]), allow_unicode=True)
    ),
    TEXTS,
)
DOCUMENTS = st.one_of(st.lists(LINES, max_size=4).map("\n".join), st.text(max_size=60), st.binary(max_size=60))


@cases(0.3)
@given(DOCUMENTS)
@example("hydra: {run: {dir: ../../elsewhere}}")
def test_any_file_is_planned_or_refused(here, document):
    file = here / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = (
        document if isinstance(document, bytes) else f"# @package _global_\n{document}".encode("utf-8", "surrogatepass")
    )
    file.write_bytes(content)
    before, handlers = set(here.parent.iterdir()), logging.root.handlers[:]
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = cli.run(["--config-dir", "conf", "+experiment=mine", "task=plan", "plan.format=json", "plan.limit=60"])
    for handler in [h for h in logging.root.handlers if h not in handlers]:
        logging.root.removeHandler(handler)
        handler.close()
    assert code in (0, 2), said.getvalue()
    assert "Traceback" not in said.getvalue()
    assert set(here.parent.iterdir()) == before
    assert {p.name for p in here.iterdir()} <= {"conf", "runs", "beat.wav", "styles.csv"}


# ---- what is rendered stays in its folder

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
_written: list[str] | None = None


def _watch(event: str, args: tuple) -> None:
    if _written is None:
        return
    if event == "open" and isinstance(args[0], str) and isinstance(args[2], int) and args[2] & WRITES:
        _written.append(args[0])
    elif event in ("os.mkdir", "os.chmod", "os.truncate"):
        _written.append(os.fspath(args[0]))
    elif event in ("os.remove", "os.rmdir"):  # rmtree names what it removes relative to an open folder
        folder = Path(f"/proc/self/fd/{args[1]}").readlink() if args[1] >= 0 else Path()
        _written.append(str(folder / os.fspath(args[0])))
    elif event in ("os.rename", "os.link", "os.symlink"):
        _written.append(os.fspath(args[1]))


@pytest.fixture(scope="session", autouse=True)
def watched():
    """Audit hooks stay until the process ends: one, asleep between tests."""
    sys.addaudithook(_watch)


@cases(0.1)
@given(st.data(), CONFIGURATIONS)
def test_all_rendered_files_stay_in_the_folder(here, choice, data):
    global _written  # noqa: PLW0603
    data = {k: v for k, v in data.items() if k not in ("canvas", "shard", "runtime")}
    text = choice.draw(TEXTS)
    names = data["output"].get("names") if isinstance(data.get("output"), dict) else None
    output = {"folder": "out", "names": names}
    data |= {"prompts": [text], "canvas": ["48x32"], "output": output, "task": "render"}
    _written = []
    try:
        code = outcome(data)
    except StoreError as e:
        pytest.fail(f"the disk was blamed: {e}")
    finally:
        found, _written = _written, None
    assert code in (0, 1, 2)
    # opening a folder itself makes a file without a name (O_TMPFILE), which is nowhere
    outside = {p for p in found if not _inside(Path(p), here / "out", here / "runs") and not Path(p).is_dir()}
    assert outside <= {"/dev/null"}
    assert (
        code != 2 or not (here / "out").exists() or not any(str(here / "out") in str(Path(p).resolve()) for p in found)
    )


def _inside(path: Path, *folders: Path) -> bool:
    return any(path.resolve().is_relative_to(f) for f in folders)


def test_reports_of_programs_are_json(here):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        dispatch.run(
            {"prompts": ["${x} 😀 \x00"], "model": {"kind": "fake"}, "task": "plan", "plan": {"format": "json"}}
        )
    assert json.loads(out.getvalue())["jobs"] == 1
