"""Experiments of tests: from plain data to a plan as the program goes, with the renderer that needs no model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sdbatch.config.validation import validate
from sdbatch.errors import ConfigError, Problem
from sdbatch.plan.plan import Plan, plan
from sdbatch.plan.resolve import resolve

ROOT = Path(__file__).parents[2]
VIDEO = {"mode": "prompt", "frames": 3, "phrase": "frame {frame}"}


def planned(data: dict[Any, Any] | None = None, **more: Any) -> Plan:
    """The plan of ``data``; prompts and model are given where it says nothing of them."""
    return plan(resolve(validate({"prompts": ["a sea"], "model": {"kind": "fake"}} | (data or {}) | more)))


def problems(data: dict[Any, Any] | None = None, **more: Any) -> list[Problem]:
    """Everything that is wrong with ``data``."""
    try:
        planned(data, **more)
    except ConfigError as e:
        return list(e.problems)
    return []


def sdbatch(*arguments: str, cwd: Path, source: Path = ROOT / "src", **env: str) -> subprocess.CompletedProcess[str]:
    """The program as a user runs it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SDBATCH")}
    environment |= {"PYTHONPATH": str(source), "COLUMNS": "200", "XDG_CACHE_HOME": str(cwd / ".cache"), **env}
    command = [sys.executable, "-m", "sdbatch", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
