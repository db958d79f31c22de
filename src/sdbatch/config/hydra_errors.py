"""Hydra's and OmegaConf's error texts as user-facing messages: one Problem with the key, what is wrong and what to write instead.

Knows their wording (Hydra 1.3, OmegaConf 2.3), not their code. What it does not recognise it hands on, shortened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sdbatch.config.experiment import GROUPS, Experiment
from sdbatch.config.keys import LISTS, SWEEPABLE
from sdbatch.config.validation import dotted_keys
from sdbatch.errors import Problem, nearest, shown

KEYS = dotted_keys(Experiment)
TEXTS = ("negative", "motion.phrase")
_QUOTE_TEXTS = 'quote each text, and the whole for the shell: \'prompts=["…", "…"]\''
_QUOTE = "quote it, and the whole for the shell: 'key=\"value\"'"


def translate(texts: Sequence[str], override: str | None = None) -> Problem:
    """``texts``: the error's and those of its causes; ``override``: the argument that could not be parsed, if known."""
    if override is not None and "=" not in override:
        return Problem(
            "", f"{shown(override)} is not key=value", f"for an experiment write +experiment={override[:40]}"
        )
    if override is not None:
        key = _key(override)
        return Problem(key, f"{shown(override)} cannot be read", _QUOTE_TEXTS if key == "prompts" else _QUOTE)
    for pattern, say in RULES:
        if m := re.search(pattern, texts[0], re.S):
            return say(m, texts)
    place = next((m[1] for t in texts if (m := re.search(r"full_key: (\S+)", t))), "")
    return Problem(place, " ".join(texts[0].split("\n    full_key")[0].split("See https")[0].split())[:300])


def _key(override: str) -> str:
    key = override.partition("=")[0].lstrip("+~")
    return key if re.fullmatch(r"[\w./@-]+", key) else ""


def _missing(m: re.Match[str], texts: Sequence[str]) -> Problem:
    group, _, name = m[1].rpartition("/") if m[1].startswith("hydra/") else m[1].partition("/")
    options = re.search(r"Available options in '[^']+':\s+(.*?)(?:\n\n|\nConfig search|$)", texts[0], re.S)
    names = options[1].split() if options else []
    there = f"; there are {', '.join(names)}" if names else ""
    yours = "a file of your own: --config-dir FOLDER, which holds " + f"{group}/NAME.yaml" if group in GROUPS else ""
    return Problem(group, f"{name!r} does not exist{there}", nearest(name, names) or yours)


def _unknown(m: re.Match[str], texts: Sequence[str]) -> Problem:
    if m[1] in GROUPS:
        return Problem(m[1], "is added, not overridden", f"write +{m[1]}=…")
    key = next((found[1] for t in texts if (found := re.search(r"full_key: (\S+)", t))), m[1])
    section, _, name = key.rpartition(".")
    beside = [k.removeprefix(f"{section}.") for k in KEYS if k.rpartition(".")[0] == section]
    hint = nearest(name, beside)
    return Problem(key, "unknown key", hint or (f"known: {', '.join(beside)}" if beside else ""))


def _ambiguous(m: re.Match[str], _: Sequence[str]) -> Problem:
    key, _, value = m[1].partition("=")
    hint = f"quote it: '{key}=\"{value}\"'"
    if key in LISTS:
        hint = f"for a list '{key}=[{value}]'"
    elif key in SWEEPABLE and key not in TEXTS:
        hint = f"for a sweep 'sweep=[{{{key}: [{value}]}}]', for runs of their own add -m"
    return Problem(_key(m[1]), f"{shown(value)} has a comma", hint)


def _merging(m: re.Match[str], texts: Sequence[str]) -> Problem:
    why = (texts[1] if len(texts) > 1 else texts[0]).partition("\n")[0]
    return Problem(_key(m[1]), why, "a list is given whole" if "list index" in why else "")


RULES: tuple[tuple[str, Callable[[re.Match[str], Sequence[str]], Problem]], ...] = (
    (r"Could not (?:find|load) '([^']+)'", _missing),
    (r"Could not override '([^']+)'", _unknown),
    (
        r"force-add of config groups is not supported: '\+\+([^=']+)",
        lambda m, _: Problem(m[1], "takes one + at most", f"write +{m[1]}=…" if m[1] in GROUPS else f"write {m[1]}=…"),
    ),
    (r"Key '([^']+)' is not in struct", _unknown),
    (r"Could not delete from config. '([^']+)'", lambda m, _: Problem(m[1], "does not exist, so it cannot be removed")),
    (r"item is already at '([^']+)'", lambda m, _: Problem(m[1], "is there already", "leave out the +")),
    (
        r"Multiple values for (\S+?)\.|(\S+) appears more than once",
        lambda m, _: Problem(
            m[1] or m[2], "is chosen already", f"write {m[1] or m[2]}=…, or in a file override /{m[1] or m[2]}: …"
        ),
    ),
    (r"Incompatible key type|Unsupported key type", lambda *_: Problem("", "a key is not text", "quote it")),
    (r"Ambiguous value for argument '(.*)'\n1", _ambiguous),
    (
        r"Sweep parameters '(.*)' requires --multirun",
        lambda m, _: Problem(_key(m[1]), f"{shown(m[1])} asks for several runs", "add -m; seeds are written 0..3"),
    ),
    (r"Error merging override (.*)", _merging),
    (
        r"Config group override must be a string or a list",
        lambda *_: Problem("", "a group takes the name of a file", "for example model=fake or +experiment=anime_zoom"),
    ),
)
