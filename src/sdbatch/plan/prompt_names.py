"""Names of prompts for users: the words of a prompt whose label was made of it, and what tells long ones apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from sdbatch.spec.ranges import slug

K = TypeVar("K", bound=Hashable)
SEEN = 12  # letters of a name that fit everywhere
LONGEST = 80
READ = 400  # letters of a prompt


def words(label: str, prompt: str) -> str:
    """The beginning of a prompt whose label was made of it (and numbered where several are alike); else nothing."""
    made, line = slug(prompt, 24), " ".join(prompt[: 2 * READ].split())
    number = label.removeprefix(made).removeprefix("-")
    return line[:READ] if label.startswith(made) and (not number or number.isdigit()) else ""


def told_apart(names: Mapping[K, str]) -> dict[K, str]:
    """``names`` at most ``LONGEST`` letters long. Those that begin alike begin where they differ: ``… red torii``."""
    alike: dict[str, list[K]] = defaultdict(list)
    for key, name in names.items():
        alike[name[:SEEN]].append(key)
    out = dict(names)
    for keys in alike.values():
        start = _difference([names[key] for key in keys])
        out |= {key: f"… {names[key][start:]}" for key in keys if start and names[key][start:]}
    return {key: f"{name[:LONGEST]}…" if len(name) > LONGEST else name for key, name in out.items()}


def _difference(texts: Sequence[str]) -> int:
    """Where the first word begins in which ``texts`` differ; 0 if they do not."""
    first, last = min(texts), max(texts)  # what these two share, all share
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first.rfind(" ", 0, same + 1) + 1 if first != last else 0
