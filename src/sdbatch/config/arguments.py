"""Arguments of the command line, as far as they can be understood without Hydra."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sdbatch.config.hydra_errors import KEYS

_SECTIONS = frozenset(key.rpartition(".")[0] for key in KEYS)


def is_file(argument: str) -> bool:
    """Whether an argument names an experiment file."""
    return argument.endswith((".yaml", ".yml")) and "=" not in argument and argument[:1] not in ("-", "+", "~")


def force_added(argument: str, groups: Collection[str]) -> str:
    """``argument``, with ++ if its key is unknown: Hydra would stop at the first one, ``validate`` reports all."""
    key = argument.partition("=")[0]
    known = key in KEYS or key in groups or key.split(".")[0] == "hydra" or key.rpartition(".")[0] not in _SECTIONS
    return argument if known or not re.fullmatch(r"[A-Za-z_][\w.]*", key) else f"++{argument}"


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
