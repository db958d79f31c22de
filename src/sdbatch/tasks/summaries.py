"""What verify, reproduce and prune say to people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from sdbatch.store import Store
from sdbatch.tasks.prune import Unwanted
from sdbatch.tasks.reproduce import Reproduced
from sdbatch.tasks.verify.findings import DAMAGED, Status, Verified

SHOWN = 20
_WORDS = {
    Status.EQUAL: "bit-equal",
    Status.DIFFERS: "[red]differ within one profile[/]",
    Status.OTHER: "[yellow]differ, under another profile[/]",
    Status.CHANGED: "[red]changed[/]",
    Status.MISSING: "[red]missing[/]",
    Status.REPAIRED: "[green]repaired[/]",
    Status.FAILED: "[red]cannot be rendered[/]",
    Status.WEIGHTS: "[yellow]of other weights[/]",
}


def show_verify(found: Verified, name: str, console: Console) -> None:
    """The table of ``task=verify``."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    counts = [f"{n:,} {_WORDS[s]}" for s in Status if (n := found.count(s))]
    files = f"{found.recorded:,} of {found.jobs:,} jobs recorded, their files checked"
    say(f"[bold]{name}[/]  {files}; {', '.join(counts) or 'nothing to compare'}")
    if found.held and not found.recorded:
        say(f"  the folder holds {found.held:,} records of other jobs: other settings, or other weights (model=…)?")
    if found.garbage:
        say(f"  {found.garbage:,} damaged manifest lines were skipped; rendering again fills what they said")
    for finding in [f for f in found.findings if f.status != Status.EQUAL][:SHOWN]:
        say(f"  {_WORDS[finding.status]} {escape(finding.path)}: {escape(finding.note)}")
    if (more := len(found.findings) - found.count(Status.EQUAL) - SHOWN) > 0:
        say(f"  … and {more:,} more")
    for text in _profiles(found):
        say(f"  {text}")
    if damaged := found.count(*DAMAGED):
        say(f"  verify.repair=true repairs {damaged:,} files")


def _profiles(found: Verified) -> Iterator[str]:
    """What differs between the profiles that jobs were recorded under and the present one."""
    for digest, differs in found.profiles.items():
        if differs is None:
            yield f"profile {digest} is not known: what differs from the present one cannot be said"
        elif differs:
            yield f"recorded under {digest}; {_differences(differs)}"
        elif found.count(Status.DIFFERS):
            yield f"profile {digest} is the present one: no version or setting explains it (code? hardware?)"


def show_reproduce(made: Reproduced, console: Console) -> None:
    """What became of ``task=reproduce``."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    head = "rendered, but cannot be compared: " if made.distance.why else ""
    say(f"{escape(str(made.path))}: {head}{escape(str(made.distance))}")
    for text in made.told.assumed:
        say(f"  assumed {escape(text)}")
    if made.profiles:
        say(f"  {'the profiles differ' if made.distance.equal else 'likely causes'}: {_differences(made.profiles)}")
    elif made.code == 3:
        say("  its profile is the present one: no version or setting explains it (was the file changed?)")


def _differences(differs: list[dict[str, str]]) -> str:
    parts = [f"{d['key']} {d['recorded']} then, {d['present']} now" for d in differs]
    return escape("; ".join(parts))


def show_prune(found: Unwanted, store: Store, applied: bool, console: Console) -> None:
    """What ``task=prune`` removed, or would."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    if not found:
        say(f"{store.root}: everything in it is wanted")
        return
    kinds = [f"{len(paths):,} {kind} file{'s' * (len(paths) != 1)}" for kind, paths in found.paths.items() if paths]
    records = f"{len(found.records):,} record{'s' * (len(found.records) != 1)}" if found.records else ""
    say(f"{store.root}: {', '.join(filter(None, (records, *kinds)))}; {found.size / 1e6:,.1f} MB")
    for kind, paths in found.paths.items():
        for path in paths[:SHOWN]:
            say(f"  {kind}  {path.relative_to(store.root)}")
        if len(paths) > SHOWN:
            say(f"  {kind}  … and {len(paths) - SHOWN:,} more")
    say("removed" if applied else "nothing was removed: that takes prune.apply=true")
