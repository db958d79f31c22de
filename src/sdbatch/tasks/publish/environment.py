"""The installed packages that sdbatch needs, at their versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sdbatch.version import __version__


def requirements() -> str:
    """A file for pip: every package that sdbatch needs, and what these need, as installed here."""
    found: dict[str, str] = {}
    todo = ["sdbatch"]
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:  # of another platform, or sdbatch itself, run from its sources
            continue
        found[name] = package.version
        needs = (Requirement(text) for text in package.requires or ())
        todo += [r.name for r in needs if r.marker is None or r.marker.evaluate({"extra": ""})]
    found.pop("sdbatch", None)
    lines = [f"# sdbatch {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"]
    return "\n".join([*lines, *(f"{name}=={version}" for name, version in sorted(found.items()))]) + "\n"
