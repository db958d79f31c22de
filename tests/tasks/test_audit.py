"""make audit: what could not be looked up is never called safe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/audit.py"
SAFE = {"name": "numpy", "version": "2", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "not found"}
BAD = {"name": "pillow", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "says"),
    [
        ([SAFE], 0, "audit: 1 of 1 packages looked up, 0 vulnerabilities known\n"),
        ([SAFE, BAD], 1, "pillow 1: CVE-1, fixed in 2\n"),
        ([SAFE, SKIPPED], 2, "1 of 2 packages looked up, 0 vulnerabilities known; nothing is known of torch\n"),
        ([SKIPPED], 2, "audit: no package could be looked up: the service cannot be reached; nothing is known\n"),
        (None, 2, "The auditor says: ConnectionError: no route\n"),
    ],
)
def test_messages(tmp_path: Path, packages: list[dict[str, Any]] | None, code: int, says: str) -> None:
    auditor = tmp_path / "auditor"
    answer = json.dumps({"dependencies": packages}) if packages else ""
    auditor.write_text(f"#!/bin/sh\necho 'ConnectionError: no route' >&2\ncat <<'END'\n{answer}\nEND\n")
    auditor.chmod(0o755)
    done = subprocess.run([sys.executable, SCRIPT, auditor, "x.txt"], check=False, capture_output=True, text=True)
    assert done.returncode == code
    assert says in done.stdout + done.stderr
