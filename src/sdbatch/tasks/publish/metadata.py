"""ro-crate-metadata.json: an RO-Crate 1.3 of the profile Process Run Crate, as JSON-LD. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from sdbatch.models.provenance import UNKNOWN, WeightFile
from sdbatch.tasks.publish.facts import Facts, Part
from sdbatch.tasks.publish.layout import (
    DIGESTS,
    EXPERIMENT,
    INPUTS,
    METADATA,
    PLAN,
    PROFILES,
    WEIGHTS,
    WRITTEN,
    about,
    encoding_format,
)

CRATE = "https://w3id.org/ro/crate/1.3"
PROFILE = "https://w3id.org/ro/wfrun/process/0.6"
_ROOT = "./"
_LICENCE = "#licence"
_SOFTWARE = "pkg:generic/sdbatch"
Entity = dict[str, Any]


def document(facts: Facts, parts: Sequence[Part]) -> bytes:
    """The file. ``parts`` are all other files of the crate that have a digest."""
    graph = [*_head(facts, parts), *_people(facts), *_software(facts), *_weights(facts), *_actions(facts, parts)]
    graph += [_file(part) for part in parts]
    return (json.dumps({"@context": f"{CRATE}/context", "@graph": graph}, indent=1) + "\n").encode()


def _head(facts: Facts, parts: Iterable[Part]) -> Iterator[Entity]:
    yield {"@id": METADATA, "@type": "CreativeWork", "about": _at(_ROOT), "conformsTo": _at(CRATE)}
    yield {
        "@id": _ROOT,
        "@type": "Dataset",
        "name": facts.title,
        "description": facts.description,
        "datePublished": facts.date,
        "license": _at(_licence_id(facts.settings.licence)),
        "author": _authors(facts),
        "conformsTo": _at(PROFILE),
        "hasPart": _many(_id(part.name) for part in parts),
        "mentions": _many(_action_id(digest) for digest in facts.profiles),
    }
    yield {"@id": PROFILE, "@type": ["CreativeWork", "Profile"], "name": "Process Run Crate", "version": "0.6"}
    yield _licence(_licence_id(facts.settings.licence), facts.settings.licence)


def _licence_id(licence: str | None) -> str:
    return f"https://spdx.org/licenses/{licence}" if licence else _LICENCE


def _licence(at: str, licence: str | None) -> Entity:
    name = licence or "No licence was chosen: ask the authors"
    text = f"The licence {licence}, by its SPDX identifier" if licence else "All rights are reserved by the authors"
    return {"@id": at, "@type": "CreativeWork", "name": name, "description": text}


def _people(facts: Facts) -> Iterator[Entity]:
    for i, author in enumerate(facts.authors):
        place = f"#organization-{i + 1}"
        more = {"affiliation": _at(place)} if author.affiliation else {}
        yield {"@id": _author_id(facts, i), "@type": "Person", "name": author.name, **more}
        if author.affiliation:
            yield {"@id": place, "@type": "Organization", "name": author.affiliation}


def _authors(facts: Facts) -> Entity | list[Entity]:
    return _many(_author_id(facts, i) for i in range(len(facts.authors)))


def _author_id(facts: Facts, i: int) -> str:
    orcid = facts.authors[i].orcid
    return f"https://orcid.org/{orcid}" if orcid else f"#author-{i + 1}"


def _software(facts: Facts) -> Iterator[Entity]:
    yield {
        "@id": _software_id(facts),
        "@type": "SoftwareApplication",
        "name": "sdbatch",
        "description": "Declarative, reproducible batch rendering with Stable Diffusion",
        "url": _software_id(facts),
        "version": facts.version,
    }


def _software_id(facts: Facts) -> str:
    """A package URL: an absolute URI without a place."""
    return f"{_SOFTWARE}@{facts.version}"


def _weights(facts: Facts) -> Iterator[Entity]:
    for i, weights in enumerate(facts.weights):
        at, licence = f"#weights-{i + 1}", f"#weights-{i + 1}-licence"
        files = [_weight_file(at, file) for file in weights.files]
        known = weights.licence != UNKNOWN
        yield {
            "@id": at,
            "@type": "CreativeWork",
            "name": f"weights {weights.identity}",
            "identifier": weights.identity,
            "description": weights.origin,
            **({"license": _at(licence)} if known else {}),
            **({"hasPart": _many(file["@id"] for file in files)} if files else {}),
        }
        yield from files
        if known:
            text = "The licence of the weights, as their file or model card states it"
            yield {"@id": licence, "@type": "CreativeWork", "name": weights.licence, "description": text}


def _weight_file(weights: str, file: WeightFile) -> Entity:
    at = f"{weights}/{quote(file.name)}"
    return {"@id": at, "@type": "CreativeWork", "name": file.name, "sha256": file.sha256, "size": str(file.size)}


def _actions(facts: Facts, parts: Sequence[Part]) -> Iterator[Entity]:
    """One run for each profile: what rendered which pictures."""
    names = {part.name for part in parts}
    inputs = [p.name for p in parts if p.name in (EXPERIMENT, PLAN) or p.name.startswith((f"{WRITTEN}/", f"{INPUTS}/"))]
    weights = [f"#weights-{i + 1}" for i in range(len(facts.weights))]
    for digest, profile in facts.profiles.items():
        made = [r.path for r in facts.results if r.profile == digest and r.path in names]
        yield {
            "@id": _action_id(digest),
            "@type": "CreateAction",
            "name": f"sdbatch rendered under the profile {digest}",
            "description": profile.line() if profile else "the profile is unknown",
            "instrument": _at(_software_id(facts)),
            "agent": _authors(facts),
            "actionStatus": "http://schema.org/CompletedActionStatus",
            "object": _many([*(_id(n) for n in (*inputs, *_known(names, digest))), *weights]),
            "result": _many(_id(n) for n in (made or [DIGESTS])),
        }


def _known(names: set[str], digest: str) -> list[str]:
    return [name for name in (f"{PROFILES}/{digest}.json", WEIGHTS) if name in names]


def _action_id(digest: str) -> str:
    return f"#run-{digest}"


def _file(part: Part) -> Entity:
    return {
        "@id": _id(part.name),
        "@type": "File",
        "name": part.name.rpartition("/")[2],
        "description": about(part.name),
        "encodingFormat": encoding_format(part.name),
        "contentSize": str(part.size),
        "sha256": part.sha256,
    }


def _id(name: str) -> str:
    return quote(name)


def _many(names: Iterable[str]) -> Entity | list[Entity]:
    """References; a single one is not a list, as RO-Crate 1.3 recommends."""
    found = [_at(name) for name in names]
    return found[0] if len(found) == 1 else found


def _at(name: str) -> Entity:
    return {"@id": name}
