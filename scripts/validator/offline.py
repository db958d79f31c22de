"""Validates crates without network. Run by the Python of the validator's environment; prints JSON.

The validator fetches the JSON-LD context by its address; the package rocrate brings the same file. Every other address
is unknown here. The validator knows Process Run Crate 0.5, whose requirements are those of 0.6, on top of RO-Crate 1.1;
so its requirements are checked alone, and those of RO-Crate 1.3 (which include 1.2) beside them.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import Any

import requests
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.3/context"
PROFILES = {"ro-crate-1.3": True, "process-run-crate-0.5": False}  # name, and whether with what it extends


def get(_: Any, url: str, **__: Any) -> requests.Response:
    """What the validator gets instead of an answer from the network."""
    response = requests.Response()
    response.url, response.status_code = url, 404
    if url == CONTEXT:
        response.status_code = 200
        response._content = (files("rocrate") / "data/ro-crate.jsonld").read_bytes()
        response.headers["Content-Type"] = "application/ld+json"
    return response


def issues(crate: str) -> list[str]:
    """Every requirement that ``crate`` does not meet."""
    out = []
    for profile, inherited in PROFILES.items():
        settings = services.ValidationSettings(
            rocrate_uri=crate,
            profile_identifier=profile,
            requirement_severity=models.Severity.REQUIRED,
            enable_profile_inheritance=inherited,
        )
        result = services.validate(settings)
        found = [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]
        out += found if found or result.passed() else [f"{profile}: not passed"]
    return out


if __name__ == "__main__":
    HttpRequester.get = get
    answer = {crate: issues(crate) for crate in sys.argv[1:]}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
