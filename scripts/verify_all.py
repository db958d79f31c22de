"""Render every experiment of params.yaml, as far as it is not, then render all of it again and compare:   make verify

python scripts/verify_all.py                              with the model of params.yaml
python scripts/verify_all.py canvas=[96x64] model=fake    any further settings
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml


def main() -> int:
    """One line an experiment; the worst exit code."""
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    code = 0
    for name in params["experiments"]:
        command = [sys.executable, "-m", "sdbatch", f"+experiment={name}", f"model={params['model']}", *sys.argv[1:]]
        rendered = subprocess.run([*command], check=False, stdout=subprocess.DEVNULL).returncode  # noqa: S603
        check = [*command, "task=verify", "verify.format=json"]
        done = subprocess.run(check, check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603
        report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"counts": {}, "jobs": 0}
        found = ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in report["counts"].items() if n)
        sys.stdout.write(f"{name}: {report['jobs']} jobs, {found or 'nothing to compare'}\n")
        sys.stdout.flush()
        code = max(code, rendered, done.returncode)
    return code


if __name__ == "__main__":
    sys.exit(main())
