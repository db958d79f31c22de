"""What SECURITY.md promises of the source itself, read from the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src/sdbatch").rglob("*.py"))
SCRIPTS = [*sorted((ROOT / "scripts").glob("*.py")), *SOURCES]
IMPORTS = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "ctypes", "socket", "requests"}
IMPORTS |= {"urllib.request", "http.client"}
ALLOWED = {
    "scripts/slurm_local.py": {"socket"},  # finds free ports on this machine
    "scripts/studio_speed.py": {"urllib.request"},  # measures a studio on this machine
    "src/sdbatch/models/locate.py": {"socket", "urllib.request"},  # asks whether the hub can be reached
    "src/sdbatch/studio/server.py": {"socket"},  # listens
    "src/sdbatch/studio/task.py": {"socket"},
}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "yaml.unsafe_load"}
LOADERS = re.compile("load_file|safe_open|from_pretrained|from_single_file")


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _modules(node: ast.Import | ast.ImportFrom) -> set[str]:
    """``a``, ``a.b`` and ``a.b.c`` of what may be the module ``a.b.c``."""
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{name}" for name in names]
    return {".".join(name.split(".")[: i + 1]) for name in names for i in range(name.count(".") + 1)}


def _calls(path: Path) -> list[ast.Call]:
    return [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_runs_what_a_file_says(path: Path) -> None:
    forbidden = IMPORTS - ALLOWED.get(path.relative_to(ROOT).as_posix(), set())
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not _modules(node) & forbidden, ast.unparse(node)
    for call in _calls(path):
        name = _name(call.func)
        if name == "yaml.load":  # with a loader that makes plain values only
            assert re.search("SafeLoader|get_yaml_loader", path.read_text("utf-8")), path
            continue
        assert name not in CALLS, f"{path}:{call.lineno} {ast.unparse(call)}"
        for keyword in call.keywords:
            assert keyword.arg not in ("shell", "allow_pickle", "trust_remote_code"), ast.unparse(call)


def test_commands_are_lists() -> None:
    """No text goes through a shell: every subprocess gets a list of arguments."""
    for path in SCRIPTS:
        for call in _calls(path):
            if _name(call.func).startswith("subprocess."):
                assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), ast.unparse(call)


def test_no_configuration_names_code() -> None:
    for path in [*(ROOT / "conf").rglob("*.yaml"), ROOT / "dvc.yaml", ROOT / "params.yaml"]:
        assert "_target_" not in path.read_text("utf-8"), path
    source = "".join(p.read_text("utf-8") for p in SOURCES)
    assert "hydra.utils" not in source
    assert "instantiate(" not in source


def test_weights_are_safetensors_only() -> None:
    loads = [p for p in SOURCES if LOADERS.search(p.read_text("utf-8"))]
    assert {p.name for p in loads if p.parent.name != "engine"} == {"source.py"}  # names and shapes
    for path in loads:
        for call in _calls(path):
            if _name(call.func).endswith(("from_pretrained", "from_single_file")):
                assert "use_safetensors=True" in ast.unparse(call), ast.unparse(call)


def test_the_network_is_asked_in_one_place() -> None:
    users = [p.name for p in SOURCES if "huggingface_hub" in p.read_text("utf-8")]
    assert users == ["locate.py"]
    text = (ROOT / "src/sdbatch/models/locate.py").read_text("utf-8")
    assert "revision=revision" in text, "a hub model is fetched at its commit only"


def test_every_hub_model_of_conf_is_pinned() -> None:
    for path in (ROOT / "conf/model").glob("*.yaml"):
        text = path.read_text("utf-8")
        if "kind: hub" in text:
            assert re.search(r"^revision: [0-9a-f]{40}$", text, re.MULTILINE), path
