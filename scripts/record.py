"""Record results in DVC that it did not render: ad-hoc runs, multiruns, cluster jobs. Once, when all have ended.

    python scripts/record.py              every experiment under outputs/
    python scripts/record.py my_sweep     these only

An experiment of params.yaml becomes its stage's result (``dvc commit``), any other gets a .dvc file (``dvc add``), one
folder each. DVC's lock is waited for. Then as always: git add, git commit, dvc push.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from sdbatch.store import Store

OUTPUTS, PARAMS = Path("outputs"), Path("params.yaml")
COPIED = ("summary.json", "sheet.png")  # what a stage copies beside its folder, as DVC's metrics and plots


def main() -> int:
    """Record the experiments named on the command line; the exit code is DVC's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="experiments; none: all under outputs/")
    names = parser.parse_args().names or sorted(p.parent.name for p in OUTPUTS.glob("*/summary.json"))
    stages = set(yaml.safe_load(PARAMS.read_text("utf-8")).get("experiments") or ()) if PARAMS.is_file() else set()
    refused = {name: why for name in names if (why := _unfinished(name, name in stages))}
    for name, why in refused.items():
        sys.stderr.write(f"{name}: not recorded: {why}\n")
    names = [name for name in names if name not in refused]
    targets = [f"render@{name}" for name in names if name in stages]
    folders = [str(OUTPUTS / name) for name in names if name not in stages]
    for name in stages.intersection(names):
        for file in COPIED:
            shutil.copyfile(OUTPUTS / name / file, OUTPUTS / f"{name}{Path(file).suffix}")
    codes = [_dvc("commit", "--force", *targets)] if targets else []
    codes += [_dvc("add", *folders)] if folders else []
    return max([*codes, int(bool(refused))], default=0)


def _unfinished(name: str, is_stage: bool) -> str:
    """Why ``name`` cannot be recorded now. A stage with gaps would count as up to date: nothing would fill them."""
    store = Store(OUTPUTS / name)
    try:
        summary = json.loads(store.summary.read_bytes())
    except (OSError, ValueError):
        return "summary.json is missing: was it rendered?"
    if store.living():
        return "it is being rendered just now"
    if is_stage and (gaps := summary["new"] + summary["failed"]):
        return f"{gaps} of {summary['jobs']} jobs are not done: run it again"
    if is_stage and not (store.root / "sheet.png").is_file():
        return "sheet.png is missing: run it again with task=sheet"
    return ""


def _dvc(*arguments: str) -> int:
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]
    return subprocess.run(command, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
