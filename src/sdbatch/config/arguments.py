"""Arguments of the command line, as far as they can be understood without Hydra."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sdbatch.config.experiment import GROUPS, Experiment
from sdbatch.config.hydra_errors import KEYS, TEXTS
from sdbatch.config.other_names import OTHER_NAMES
from sdbatch.config.registry import TASKS
from sdbatch.errors import ConfigError, Problem, closest, shown

_SECTIONS = frozenset(key.rpartition(".")[0] for key in KEYS)


def is_file(argument: str) -> bool:
    """Whether an argument names an experiment file."""
    return argument.endswith((".yaml", ".yml")) and "=" not in argument and argument[:1] not in ("-", "+", "~")


def quoted(text: str) -> str:
    """``text`` as a value that Hydra's parser returns unchanged: quotes, and backslashes before them, are escaped."""
    return "'" + re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + m[2].replace("'", "\\'"), text) + "'"


def force_added(argument: str, groups: Collection[str]) -> str:
    """``argument``, with ++ if its key is unknown: Hydra would stop at the first one, ``validate`` reports all."""
    key = argument.partition("=")[0]
    known = key in KEYS or key in groups or key.split(".")[0] == "hydra" or key.rpartition(".")[0] not in _SECTIONS
    return argument if known or not re.fullmatch(r"[A-Za-z_][\w.]*", key) else f"++{argument}"


def check_words(arguments: Sequence[str], words: Collection[str]) -> None:
    """Raise ConfigError for the ``words`` of ``arguments``, which are neither flags nor settings nor files."""
    around = zip(["", *arguments], arguments, [*arguments[1:], ""], strict=False)
    problems: list[Problem] = []
    for before, word, after in around:
        if word not in words or (problems and (before == "=" or before in words)):  # the rest of the same mistake
            continue
        hint = _word_hint(before, word, after)
        problems.append(Problem("", f"{shown(word)} is not key=value, nor a .yaml file", hint))
    if problems:
        raise ConfigError(problems)


def _word_hint(before: str, word: str, after: str) -> str:
    """What was meant by a ``word`` between two other arguments."""
    key, equals, text = before.partition("=")
    if after.startswith("=") or before.endswith("="):
        return "write no spaces around ="
    if equals and key in (*TEXTS, "prompts") and not (" " in text or text.endswith(tuple("\"')]}"))):
        return f"quote a text that contains spaces, and the whole argument for the shell: '{key}=…'"
    return f"write task={word}" if word in TASKS else f"for an experiment write +experiment={word[:40]}"


def flag_hint(flag: str) -> str:
    """The key that is meant by an unknown ``flag`` (``seeds`` by ``--seed``)."""
    name = flag.lstrip("-").partition("=")[0].replace("-", "_")
    if name in GROUPS:
        return f"write +{name}=NAME"
    if name in OTHER_NAMES:
        return f"use {OTHER_NAMES[name]}"
    same = next((key for key in KEYS if key.rpartition(".")[2] == name), "")
    key = closest(name, Experiment.model_fields, 0.75) or same
    return f"write {key}=…" if key else "write key=value; for an experiment +experiment=NAME"


def dotted(key: str, value: Any) -> Iterator[str]:
    yield key
    for k, v in value.items() if isinstance(value, Mapping) else ():
        yield from dotted(f"{key}.{k}", v)


@contextmanager
def read_by_hydra(arguments: list[str]) -> Iterator[None]:
    """Set what ``hydra.main`` reads: ``sys.argv``, and a variable that makes it raise errors instead of printing them.

    The compose API takes arguments, but has no -m, --help, --cfg, --info, completion, run folder or logging.
    """
    argv, variable = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = [*argv[:1], *arguments], "1"
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR")
        if variable is not None:
            os.environ["HYDRA_FULL_ERROR"] = variable
