"""Validate research objects with an RO-Crate validator:   python scripts/validate_crate.py publish/torii.zip

Its first use installs it, pinned, into .validator/; validating needs no network. Exit 1: a requirement is not met.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).parent
PINS = HERE / "validator" / "requirements.txt"
ENVIRONMENT = HERE.parent / ".validator"


def main() -> int:
    """One line for each requirement that is not met."""
    found = validate(sys.argv[1:])
    for crate, issues in found.items():
        sys.stdout.write("".join(f"{crate}: {text}\n" for text in issues or ["valid"]))
    return 1 if any(found.values()) else 0


def validate(crates: list[str]) -> dict[str, list[str]]:
    """The requirements that each crate (a folder or a ZIP) does not meet."""
    python = installed()
    command = [str(python), str(HERE / "validator" / "offline.py"), *crates]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"the validator failed: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def installed() -> Path:
    """The Python of the validator's environment, which is made if its pins have changed."""
    python, mark = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "pins.txt"
    ENVIRONMENT.mkdir(exist_ok=True)
    with FileLock(ENVIRONMENT / ".lock"):
        if not mark.is_file() or mark.read_bytes() != PINS.read_bytes():
            free = {k: v for k, v in os.environ.items() if k != "PIP_CONSTRAINT"}
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)  # noqa: S603
            install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
            subprocess.run([*install, "-r", str(PINS)], check=True, env=free)  # noqa: S603
            mark.write_bytes(PINS.read_bytes())
    return python


if __name__ == "__main__":
    sys.exit(main())
