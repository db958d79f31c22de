"""The report of ``task=check``, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape

from sdbatch.tasks.verify.findings import DAMAGED, Finding, Status, Verified
from sdbatch.tasks.verify.report import TEXTS, counts, differences

SHOWN = 20


@dataclass(slots=True)
class Checked:
    """All results. ``sha256`` is that of a ZIP. ``jobs`` were planned, ``recorded`` rendered, ``failed`` not."""

    name: str
    sha256: str = ""
    files: int = 0
    jobs: int = 0
    recorded: int = 0
    failed: int = 0
    pictures: bool = True
    findings: list[Finding] = field(default_factory=list)
    again: Verified = field(default_factory=lambda: Verified(0))
    weights: list[dict[str, Any]] = field(default_factory=list)
    signatures: dict[str, int] = field(default_factory=dict)  # signed copies by state

    @property
    def code(self) -> int:
        """That of verify: 3 for a difference, 1 if something could not be compared, else 0."""
        if self.findings or self.again.code == 3:
            return 3
        return self.again.code if self.again.jobs else 0

    @property
    def unknown_weights(self) -> bool:
        return self.again.count(Status.WEIGHTS) > 0

    def asdict(self) -> dict[str, Any]:
        missing = {"weights": self.weights} if self.unknown_weights else {}
        return {
            "name": self.name,
            "sha256": self.sha256,
            "files": self.files,
            "damaged": len(self.findings),
            "jobs": self.jobs,
            "recorded": self.recorded,
            "failed": self.failed,
            "pictures": self.pictures,
            "signatures": self.signatures,
            "findings": [f.asdict() for f in self.findings],
            "again": {
                "counts": {str(s): n for s in Status if (n := self.again.count(s))},
                "profiles": self.again.profiles,
                "pictures": [f.asdict() for f in self.again.findings],
            },
            **missing,
            "exit_code": self.code,
        }


def show(checked: Checked, console: Console) -> None:
    """Print the results: the whole in three lines, then every picture that was rendered again."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(f"[bold]{plain(checked.name)}[/]  {checked.sha256 and f'sha256 {checked.sha256}'}")
    bad = len({finding.path for finding in checked.findings})
    share = 100 * (checked.files - min(bad, checked.files)) / max(checked.files, 1)
    say(f"  files: {share:.4g} % of {checked.files:,} as published{'' if not bad else f'; {bad:,} are not'}")
    left = f", {checked.failed:,} failed" if checked.failed else ""
    only = "" if checked.pictures else "; of pictures only digests"
    say(f"  jobs: {checked.recorded:,} of {checked.jobs:,} rendered{left}{only}")
    if checked.signatures:
        say(f"  signatures: {', '.join(f'{n:,} {state}' for state, n in sorted(checked.signatures.items()))}")
    say(f"  rendered again: {counts(checked.again) or 'nothing'}")
    for finding in checked.findings[:SHOWN]:
        say(f"  {TEXTS[finding.status]} {plain(finding.path)}: {plain(finding.note)}")
    if (more := len(checked.findings) - SHOWN) > 0:
        say(f"  … and {more:,} more")
    for finding in sorted(checked.again.findings, key=lambda f: f.path)[:SHOWN]:
        note = "" if checked.unknown_weights or not finding.note else f": {plain(finding.note)}"
        say(f"  {TEXTS[finding.status]} {plain(finding.path)}{note}")
    for text in (*_profiles(checked), *_weights(checked)):
        say(f"  {text}")


def plain(text: str) -> str:
    """Text of a crate, which may contain control characters and markup."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text))


def _profiles(checked: Checked) -> Iterator[str]:
    for digest, differs in checked.again.profiles.items():
        if differs is None:
            yield f"profile {plain(digest)} is unknown, so its differences from the current one are unknown"
        elif differs:
            yield f"published under {plain(digest)}; {differences(differs)}"
        elif checked.again.count(Status.DIFFERS, *DAMAGED):
            yield f"profile {plain(digest)} is the current one: no version or setting explains a difference"


def _weights(checked: Checked) -> Iterator[str]:
    """Which weights are needed, by hash, and where they were from."""
    for weights in checked.weights if checked.unknown_weights else ():
        values = {key: plain(str(weights.get(key, "unknown"))[:200]) for key in ("identity", "origin", "licence")}
        yield f"needs the weights {values['identity']} from {values['origin']} (licence: {values['licence']})"
        for file in weights.get("files", ()) if isinstance(weights.get("files"), list) else ():
            if isinstance(file, dict):
                yield f"  {plain(str(file.get('name'))[:200])} sha256 {plain(str(file.get('sha256'))[:64])}"
    if checked.unknown_weights:
        first = next(f for f in checked.again.findings if f.status == Status.WEIGHTS)
        yield plain(first.note)
