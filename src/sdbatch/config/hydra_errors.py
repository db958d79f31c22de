"""Translates error messages of Hydra and OmegaConf to a Problem: the key, the problem, and what to write instead.

Depends on their wording (Hydra 1.3, OmegaConf 2.3), not on their code. Unknown messages are shortened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from sdbatch.config import other_names
from sdbatch.config.experiment import GROUPS, Experiment
from sdbatch.config.keys import LISTS, SWEEPABLE
from sdbatch.config.validation import dotted_keys, shape_hint
from sdbatch.errors import Problem, nearest, shown

KEYS = dotted_keys(Experiment)
TEXTS = ("negative", "motion.phrase")
_QUOTE_TEXTS = 'quote each text, and the whole argument for the shell: \'prompts=["…", "…"]\''
_QUOTE = "quote it, and the whole argument for the shell: 'key=\"value\"'"


def translate(texts: Sequence[str], override: str | None = None) -> Problem:
    """The problem of an error with the messages ``texts`` (its own, then its causes').

    ``override`` is the argument that could not be parsed, if that is known.
    """
    if override is not None and "=" not in override:
        return Problem(
            "", f"{shown(override)} is not key=value", f"for an experiment write +experiment={override[:40]}"
        )
    if override is not None:
        key = _key(override)
        return Problem(key, f"{shown(override)} cannot be parsed", _QUOTE_TEXTS if key == "prompts" else _QUOTE)
    for pattern, problem in RULES:
        if m := re.search(pattern, texts[0], re.S):
            return problem(m, texts)
    key = next((m[1] for t in texts if (m := re.search(r"full_key: (\S+)", t))), "")
    return Problem(key, " ".join(texts[0].split("\n    full_key")[0].split("See https")[0].split())[:300])


def _key(override: str) -> str:
    key = override.partition("=")[0].lstrip("+~")
    return key if re.fullmatch(r"[\w./@-]+", key) else ""


def _missing(m: re.Match[str], texts: Sequence[str]) -> Problem:
    group, _, name = m[1].rpartition("/") if m[1].startswith("hydra/") else m[1].partition("/")
    options = re.search(r"Available options in '[^']+':\s+(.*?)(?:\n\n|\nConfig search|$)", texts[0], re.S)
    names = options[1].split() if options else []
    available = f"; available: {', '.join(names)}" if names else ""
    hint = f"for your own file use --config-dir FOLDER with FOLDER/{group}/NAME.yaml" if group in GROUPS else ""
    meant = {"model": _model_hint(name), "output": f"write output.folder={name}"}
    hint = meant.get(group) or nearest(name, names) or hint
    return Problem(group, f"{name!r} does not exist{available}", hint)


def _model_hint(name: str) -> str:
    """What to write for a file of weights; which models are not supported."""
    if "/" in name or name.endswith((".safetensors", ".ckpt")):
        return f"for a file or folder write model=local model.path={name}"
    other = re.match(r"(?i)(sd[_-]?)?(xl|[23](\.\d)?$|3)|flux", name)
    hint = "SDXL, SD 3 and FLUX are not supported, only Stable Diffusion 1.x, and 2.x as a folder (model=local)"
    return hint if other else ""


def _unknown(m: re.Match[str], texts: Sequence[str]) -> Problem:
    if m[1] in GROUPS:
        return Problem(m[1], "must be added, not overridden", f"write +{m[1]}=…")
    key = next((found[1] for t in texts if (found := re.search(r"full_key: (\S+)", t))), m[1])
    section, _, name = key.rpartition(".")
    siblings = [k.removeprefix(f"{section}.") for k in KEYS if k.rpartition(".")[0] == section]
    hint = other_names.hint(key) or nearest(name, siblings)
    return Problem(key, "unknown key", hint or (f"known: {', '.join(siblings)}" if siblings else ""))


def _twice(group: str) -> Problem:
    if group in GROUPS:
        return Problem(group, "is given twice", "name one")
    return Problem(group, "is already selected", f"write {group}=…, or in a file override /{group}: …")


def _ambiguous(m: re.Match[str], _: Sequence[str]) -> Problem:
    key, _, value = m[1].partition("=")
    hint = f"quote it: '{key}=\"{value}\"'"
    if key in LISTS:
        hint = f"for a list write '{key}=[{value}]'"
    elif key in SWEEPABLE and key not in TEXTS:
        hint = f"for a sweep write 'sweep=[{{{key}: [{value}]}}]', for separate runs add -m"
    return Problem(_key(m[1]), f"{shown(value)} contains a comma", hint)


def _merging(m: re.Match[str], texts: Sequence[str]) -> Problem:
    reason = (texts[1] if len(texts) > 1 else texts[0]).partition("\n")[0]
    if "with ListConfig" in reason:
        key, value = _key(m[1]), m[1].partition("=")[2]
        if value.startswith("["):
            return Problem(key, "a list is not a mapping of keys", shape_hint(key, [value], Experiment))
        return Problem(key, "a mapping is not a list", f"put it in [ ]: '{key}=[{{…}}]'")
    return Problem(_key(m[1]), reason, "write the whole list" if "list index" in reason else "")


RULES: tuple[tuple[str, Callable[[re.Match[str], Sequence[str]], Problem]], ...] = (
    (r"Could not (?:find|load) '([^']+)'", _missing),
    (r"Could not override '([^']+)'", _unknown),
    (
        r"force-add of config groups is not supported: '\+\+([^=']+)",
        lambda m, _: Problem(
            m[1], "accepts one + at most", f"write +{m[1]}=…" if m[1] in GROUPS else f"write {m[1]}=…"
        ),
    ),
    (r"Key '([^']+)' is not in struct", _unknown),
    (r"Could not delete from config. '([^']+)'", lambda m, _: Problem(m[1], "does not exist, so it cannot be removed")),
    (r"item is already at '([^']+)'", lambda m, _: Problem(m[1], "exists already", "leave out the +")),
    (
        r"Multiple values for (\S+?)\.|(\S+) appears more than once",
        lambda m, _: _twice(m[1] or m[2]),
    ),
    (
        r"Additional config directory '([^']+)' not found",
        lambda m, _: Problem("--config-dir", f"{m[1]!r} is not a folder"),
    ),
    (r"Incompatible key type|Unsupported key type", lambda *_: Problem("", "a key is not text", "quote it")),
    (r"Ambiguous value for argument '(.*)'\n1", _ambiguous),
    (
        r"Sweep parameters '(.*)' requires --multirun",
        lambda m, _: Problem(_key(m[1]), f"{shown(m[1])} requests several runs", "add -m; for seeds write 0..3"),
    ),
    (r"Error merging override (.*)", _merging),
    (
        r"Config group override must be a string or a list",
        lambda *_: Problem(
            "", "a group requires the name of a file", "for example model=fake or +experiment=anime_zoom"
        ),
    ),
)


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def inside_hydra(error: BaseException) -> bool:
    """Whether the error was raised inside Hydra, OmegaConf or their parsers."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    file = tb.tb_frame.f_code.co_filename if tb else ""
    return any(f"{os.sep}{name}{os.sep}" in file for name in ("hydra", "omegaconf", "antlr4", "yaml"))


def first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
