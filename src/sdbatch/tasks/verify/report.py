"""The report of ``task=verify``, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from sdbatch.tasks.verify.findings import DAMAGED, Status, Verified

SHOWN = 20
TEXTS = {
    Status.EQUAL: "bit-equal",
    Status.DIFFERS: "[red]differ within one profile[/]",
    Status.OTHER: "[yellow]differ, under another profile[/]",
    Status.CHANGED: "[red]changed[/]",
    Status.MISSING: "[red]missing[/]",
    Status.REPAIRED: "[green]repaired[/]",
    Status.FAILED: "[red]cannot be rendered[/]",
    Status.WEIGHTS: "[yellow]rendered with other weights[/]",
}


def counts(found: Verified) -> str:
    """``3 bit-equal, 1 missing``; empty if nothing was compared."""
    return ", ".join(f"{n:,} {TEXTS[s]}" for s in Status if (n := found.count(s)))


def show_verify(found: Verified, name: str, console: Console) -> None:
    """Print the results of ``task=verify``."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    files = f"{found.recorded:,} of {found.jobs:,} jobs recorded, their files checked"
    say(f"[bold]{name}[/]  {files}; {counts(found) or 'nothing to compare'}")
    if found.held and not found.recorded:
        say(f"  the folder holds {found.held:,} records of other jobs: other settings, or other weights (model=…)?")
    if found.damaged_lines:
        say(f"  {found.damaged_lines:,} damaged manifest lines were skipped; render again to restore their jobs")
    for finding in [f for f in found.findings if f.status != Status.EQUAL][:SHOWN]:
        say(f"  {TEXTS[finding.status]} {escape(finding.path)}: {escape(finding.note)}")
    if (more := len(found.findings) - found.count(Status.EQUAL) - SHOWN) > 0:
        say(f"  … and {more:,} more")
    for text in _profiles(found):
        say(f"  {text}")
    if damaged := found.count(*DAMAGED):
        say(f"  verify.repair=true repairs {damaged:,} files")


def _profiles(found: Verified) -> Iterator[str]:
    """The differences between the recorded profiles and the current one."""
    for digest, differs in found.profiles.items():
        if differs is None:
            yield f"profile {digest} is unknown, so its differences from the current one are unknown"
        elif differs:
            yield f"recorded under {digest}; {differences(differs)}"
        elif found.count(Status.DIFFERS):
            yield f"profile {digest} is the current one: no version or setting explains this (code? hardware?)"


def differences(differs: list[dict[str, str]]) -> str:
    parts = [f"{d['key']} {d['recorded']} then, {d['present']} now" for d in differs]
    return escape("; ".join(parts))
