"""Run the fault tests and write what happened into docs/reliability.md:   make faults

python scripts/reliability.py --kills 200
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree  # of pytest's own report

DOC = Path("docs/reliability.md")
BEGIN, END = "<!-- made by make faults: begin -->", "<!-- end -->"
# What goes wrong, and the tests (by the words in their names, with file) that make it go wrong.
FAULTS: dict[str, tuple[str, ...]] = {
    "SIGKILL at random moments, stills and videos, then resume: {kills} kills": ("test_kill.test_killed_again",),
    "SIGKILL at random moments of one video, then resume: each of {videos} videos of all modes, {each} kills": (
        "test_resume.test_killed",
    ),
    "SIGKILL while the embedded model `tiny` renders, then resume and verify": ("test_embedded.",),
    "Ctrl-C and SIGTERM, once and twice": ("test_signals.",),
    "a full disk (tmpfs), also while a video is encoded; then room": (
        "test_disk.test_a_full",
        "test_disk.test_a_limit",
    ),
    "a read-only disk; a file in place of the folder": ("test_disk.test_a_read", "test_disk.test_a_file"),
    "two to five processes on one experiment, some of them killed": ("test_together.", "test_claims."),
    "workers killed, interrupted, given up and left alone": ("test_supervisor.",),
    "a manifest with a torn last line, garbage in the middle": ("test_kill.test_a_manifest", "test_records.test_torn"),
    "a clock that goes backwards": ("test_kill.test_a_clock",),
    "a picture, video, shot, profile or poster truncated, changed, exchanged or removed": (
        "test_run.test_a_damaged",
        "test_run.test_a_shot",
        "test_run.test_all_damaged",
        "test_verify.test_damage",
        "test_verify.test_repair",
        "test_verify.test_a_profile_that_was",
        "test_verify.test_what_lies_beside",
    ),
    "an encoder that fails in a writer thread": ("test_run.test_an_encoder", "test_run.test_a_video_encoder"),
    "out of memory, NaN, crashes and hangs of the renderer": (
        "test_run.test_what_fails",
        "test_run.test_a_renderer_that",
        "test_run.test_out_of_memory",
        "test_rows.test_out_of_memory",
    ),
    "bits that differ, within a profile and between profiles": ("test_verify.test_different", "test_verify.test_equal"),
    "a manifest that was forged to fit": ("test_verify.test_another_picture", "test_verify.test_a_manifest"),
    "hostile pictures, videos, manifests, plans and profiles": ("test_hostile.", "test_specs."),
    "a crash while pruning; pruning while another process renders": (
        "test_prune.test_a_crash",
        "test_prune.test_not_while",
        "test_prune.test_a_forged",
    ),
}
FOLDERS = (
    "tests/faults",
    "tests/motion/test_resume.py",
    "tests/runner",
    "tests/store/test_records.py",
    "tests/store/test_claims.py",
    "tests/workers/test_supervisor.py",
    "tests/engine/test_rows.py",
    "tests/tasks",
)


def main() -> int:
    """Run, write, and give pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *FOLDERS, f"--kills={kills}", f"--junitxml={report}"]
        environment = {**os.environ, "SDBATCH_KILLS": str(_each(kills))}
        code = subprocess.run(command, check=False, env=environment).returncode  # noqa: S603
        results = _results(report)
    before, _, rest = DOC.read_text("utf-8").partition(BEGIN)
    DOC.write_text(f"{before}{BEGIN}\n{_table(results, kills)}{END}{rest.partition(END)[2]}", "utf-8")
    return code


def _each(kills: int) -> int:
    """Kills of every single video."""
    return max(2, kills // 10)


def _results(report: Path) -> dict[str, Counter[str]]:
    """``test_file.test_name`` -> how many cases passed, failed, were skipped."""
    out: dict[str, Counter[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name', '').partition('[')[0]}"
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        out.setdefault(name, Counter())[kinds.pop() if kinds else "passed"] += 1
    return out


def _table(results: dict[str, Counter[str]], kills: int) -> str:
    rows = ["| fault | cases | passed |", "|---|--:|--:|"]
    for fault, tests in FAULTS.items():
        total: Counter[str] = sum((n for name, n in results.items() if name.startswith(tests)), Counter())
        skipped = f" ({total['skipped']} skipped)" if total["skipped"] else ""
        count, held = total.total() - total["skipped"], total["passed"]
        videos, each = count, _each(kills)
        if "{kills}" in fault:  # one test kills many times
            count, held = kills, kills if held == count else 0
        elif "{each}" in fault:
            count, held = count * each, held * each
        rows.append(f"| {fault.format(kills=kills, videos=videos, each=each)} | {count:,}{skipped} | {held:,} |")
    machine = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return "\n".join([*rows, "", f"Last made on: {machine}; {kills} kills.", ""])


if __name__ == "__main__":
    sys.exit(main())
