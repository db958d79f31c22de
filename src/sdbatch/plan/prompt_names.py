"""Names of prompts for users: the words of a prompt whose label was made of it, and what tells long ones apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from sdbatch.spec.ranges import LABEL, slug

K = TypeVar("K", bound=Hashable)
SEEN = 12  # letters of a name that fit everywhere
LONGEST = 80
READ = 400  # letters of a prompt


def names(prompts: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Names of labels that were made of the words of a prompt; ``prompts`` are all texts of each label.

    A label has several texts where styles are an axis. Its name is the part of them that the label was made of.
    """
    return told_apart({label: found for label, texts in prompts.items() if (found := words(label, texts))})


def words(label: str, texts: Iterable[str]) -> str:
    """The beginning of the prompt that ``label`` was made of (and numbered where several are alike); else nothing."""
    first, *others = sorted((" ".join(text[: 2 * READ].split()) for text in texts), key=len)
    if not others:
        return first[:READ] if _made_of(label, first) else ""
    parts = first[:READ].split()
    return next(filter(None, (_shared(label, parts[start:], others) for start in range(len(parts)))), "")


def _made_of(label: str, text: str) -> bool:
    made = slug(text, LABEL)
    number = label.removeprefix(made).removeprefix("-")
    return label.startswith(made) and (not number or number.isdigit())


def _shared(label: str, parts: Sequence[str], others: Sequence[str]) -> str:
    """As many of the first ``parts`` as ``label`` can have been made of and ``others`` contain."""
    found = ""
    for end in range(1, len(parts) + 1):
        text = " ".join(parts[:end]).rstrip(",;. ")
        if not label.startswith(slug(text, LABEL)) or not all(text in other for other in others):
            break
        found = text if _made_of(label, text) else found
    return found


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
