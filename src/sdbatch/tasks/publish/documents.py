"""The texts of a research object: README.md, CITATION.cff, the figure's caption. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from sdbatch.tasks.publish.facts import Facts, Part
from sdbatch.tasks.publish.layout import ABOUT, EXPERIMENT

PROMISE = """\
- **The same profile: the same bytes.** A profile is device, dtype, rows per call, threads and versions, the processor's
  instruction set among them. Neither the order of jobs nor the batch nor an interruption changes a picture.
- **Another profile: measured.** `task=check` renders again, compares pixel by pixel, and says how far a picture is from
  the published one (PSNR, largest difference) and which settings and versions differ.
"""


def readme(facts: Facts, parts: Sequence[Part]) -> str:
    """README.md: what this is, how to check it, how to render it again."""
    return "\n".join(
        [
            f"# {_line(facts.title)}",
            "",
            facts.description,
            "",
            *_check(facts),
            "## What is promised",
            "",
            PROMISE,
            *_made_by(facts),
            "## Files",
            "",
            *(f"- `{p.name}`: {ABOUT[p.name]}" for p in parts if p.name in ABOUT),
            *_pictures(facts),
            "",
            "This folder is an RO-Crate (1.3, Process Run Crate): `ro-crate-metadata.json` describes it for programs.",
            "",
        ]
    )


def _check(facts: Facts) -> list[str]:
    name = facts.name
    again = [f"unzip -d {name} {name}.zip && cd {name}", f"python -m sdbatch {EXPERIMENT}"]
    return [
        "## Check it",
        "",
        f"With sdbatch {facts.version} (packages: `environment.txt`), on any machine:",
        "",
        "```",
        "# compares every file with its digest, and renders four jobs again; check.sample=null: all of them",
        f"python -m sdbatch task=check source={name}.zip",
        "```",
        "",
        "Without sdbatch, in the unpacked folder: `sha256sum -c SHA256SUMS`.",
        "",
        *(["Unpack it, and render it again into `outputs/`:", "", "```", *again, "```", ""] if facts.again else []),
    ]


def _made_by(facts: Facts) -> list[str]:
    lines = [f"- `{digest}`: {p.line() if p else 'unknown'}" for digest, p in facts.profiles.items()]
    counts = ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in facts.verified.items() if n)
    weights = [f"- weights `{w.identity}`: {w.origin}; licence: {w.licence}" for w in facts.weights]
    return [
        "Rendered under:",
        "",
        *lines,
        *weights,
        "",
        f"When this was made, every file was compared with its record; rendered again: {counts or 'none'}.",
        "",
    ]


def _pictures(facts: Facts) -> list[str]:
    if facts.settings.pictures == "digests":
        return ["- pictures and videos are left out; `digests.csv` has their SHA-256"]
    return ["- `images/`, `videos/`: the results, each with its settings in its metadata"]


def citation(facts: Facts) -> str:
    """CITATION.cff, which repositories of code and data read."""
    data: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use these results, please cite them as below.",
        "type": "dataset",
        "title": facts.title,
        "authors": [_author(facts, i) for i in range(len(facts.authors))],
        "abstract": facts.description,
        "date-released": facts.date,
    }
    if facts.settings.licence:
        data["license"] = facts.settings.licence
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=120)


def _author(facts: Facts, i: int) -> dict[str, str]:
    """An author as a person (``Ada Lovelace``, ``Lovelace, Ada``), or with one word as a group."""
    author = facts.authors[i]
    orcid = {"orcid": f"https://orcid.org/{author.orcid}"} if author.orcid else {}
    family, comma, given = author.name.partition(", ")
    if not comma:
        given, _, family = author.name.rpartition(" ")
    if not given:
        return {"name": author.name} | orcid
    affiliation = {"affiliation": author.affiliation} if author.affiliation else {}
    return {"given-names": given, "family-names": family} | affiliation | orcid


def caption(facts: Facts) -> str:
    """The caption of the figure: what varies, what does not, what rendered it."""
    swept = ", ".join(f"{axis} ({n} values)" for axis, n in facts.axes.swept.items())
    fixed = ", ".join(f"{key} {value}" for key, value in facts.axes.fixed.items())
    profiles = "; ".join(f"{d} ({p.line()})" if p else d for d, p in facts.profiles.items())
    sentences = [
        f"{facts.title}: {len(facts.results):,} of {facts.jobs:,} planned pictures and videos",
        f"Varied: {swept}" if swept else "",
        f"Fixed: {fixed}" if fixed else "",
        f"Weights: {', '.join(w.identity for w in facts.weights)}",
        f"Rendered with sdbatch {facts.version} under the profile {profiles}",
    ]
    return ". ".join(s for s in sentences if s) + "."


def _line(text: str) -> str:
    return " ".join(text.split())
