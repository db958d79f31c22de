"""Known vulnerabilities of the pinned versions:   make audit

pip-audit reports packages that its service does not know or cannot check as "skipped", and ends with success.
Here that is not an answer: exit 0 means that every package was looked up and nothing is known about any.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

ARGUMENTS = ("--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json", "--requirement")


def main() -> int:
    """``audit.py AUDITOR REQUIREMENTS``: 0 nothing known, 1 something known, 2 not all could be looked up."""
    auditor, requirements = sys.argv[1:]
    done = subprocess.run([auditor, *ARGUMENTS, requirements], check=False, capture_output=True, text=True)  # noqa: S603
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        sys.stderr.write(f"audit: nothing was looked up; no network? The auditor says: {last[:300]}\n")
        return 2
    text, code = verdict(packages)
    sys.stdout.write(text)
    return code


def verdict(packages: list[dict[str, Any]]) -> tuple[str, int]:
    """What to say of pip-audit's list, and the exit code."""
    skipped = [p["name"] for p in packages if "skip_reason" in p]
    if len(skipped) == len(packages):
        return "audit: no package could be looked up: the service cannot be reached; nothing is known\n", 2
    found = [
        f"{p['name']} {p['version']}: {v['id']}, fixed in {', '.join(v['fix_versions']) or 'no version yet'}\n"
        for p in packages
        for v in p.get("vulns", ())
    ]
    looked_up = f"{len(packages) - len(skipped)} of {len(packages)} packages looked up"
    missing = f"; nothing is known of {', '.join(skipped)}" if skipped else ""
    last = f"audit: {looked_up}, {len(found)} vulnerabilities known{missing}\n"
    return "".join((*found, last)), 1 if found else 2 if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
