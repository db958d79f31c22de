"""Hydra and OmegaConf: the only file that knows them. From a command line to plain data, or to Problems."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader
from omegaconf.errors import OmegaConfBaseException

from sdbatch.axes import SWEEPABLE
from sdbatch.errors import ConfigError, Problem, nearest
from sdbatch.experiment import Experiment, Section

# Texts of people are data: a ${ or ??? in a prompt is not for OmegaConf, so it travels marked.
LITERAL = ("prompts", "negative", "sweep", "skip", "motion.phrase")
_NAMES = frozenset(key.split(".")[-1] for key in LITERAL)
_OPEN, _MARK = "${", "$\ue000{"
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Composed:
    """A composed configuration as plain data, the keys given on this command line, and files of the user's
    ``--config-dir`` that a built-in of the same name hides (Hydra ignores them silently)."""

    data: dict[str, Any]
    given: frozenset[str]
    hidden: tuple[str, ...]


def conf_dir() -> Path:
    """The package's own conf/ (in a wheel), else the checkout's."""
    shipped = _PACKAGE / "conf"
    return shipped if (shipped / "config.yaml").is_file() else _PACKAGE.parents[1] / "conf"


def compose(arguments: list[str], task: Callable[[Callable[[], Composed]], None]) -> None:
    """Run ``task`` with a reader of what ``arguments`` compose to (under ``-m`` once a job).

    Raises ConfigError for what Hydra, OmegaConf or the YAML reader find wrong; whatever ``task`` raises passes through.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing and exiting
    SourcesRegistry.instance().register(FileConfigSource)
    sys.argv[1:] = [_marked_argument(a) for a in arguments]
    main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    try:
        main(lambda cfg: task(lambda: Composed(_plain(cfg), _given(), _hidden())))()
    except Exception as error:
        if problems := list(_problems(error, arguments)):
            raise ConfigError(problems) from error
        raise


class FileConfigSource(file_config_source.FileConfigSource):  # registered under this name before Hydra's own
    """Hydra's reader of YAML files, with people's texts marked before OmegaConf sees them."""

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path) / self._normalize_file_name(config_path)
        try:
            text = path.read_text("utf-8")
            data = yaml.load(text, Loader=get_yaml_loader())  # noqa: S506  (OmegaConf's own, a SafeLoader)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as e:
            raise ConfigError.one("", f"{path.name} is not YAML: {' '.join(str(e).split())[:300]}") from e
        header = self._get_header_dict(text[:4096])
        if data is not None and not isinstance(data, dict):
            raise ConfigError.one("", f"{path.name} is no mapping of keys")
        return ConfigResult(f"file://{self.path}", self.provider, OmegaConf.create(_marked(data or {})), header)


def _marked(data: Mapping[Any, Any]) -> dict[Any, Any]:
    return {
        k: _swap(v, _OPEN, _MARK) if k in _NAMES else _marked(v) if isinstance(v, Mapping) else v
        for k, v in data.items()
    }


def _swap(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, Mapping):
        return {_swap(k, old, new): _swap(v, old, new) for k, v in value.items()}
    return [_swap(v, old, new) for v in value] if isinstance(value, list) else value


def _marked_argument(argument: str) -> str:
    key = argument.lstrip("+~").split("=", 1)[0]
    literal = key.startswith("motion.phrase") or key.split(".")[0] in LITERAL
    return argument.replace(_OPEN, _MARK) if literal else argument


def _plain(cfg: Any) -> dict[str, Any]:
    """Plain data; every interpolation that cannot be resolved is a Problem."""
    raw = OmegaConf.to_container(cfg, resolve=False)
    problems: list[Problem] = []

    def resolved(value: Any, key: str) -> Any:
        if key in LITERAL:
            return _swap(value, _MARK, _OPEN)
        if isinstance(value, dict):
            return {k: resolved(v, f"{key}.{k}" if key else str(k)) for k, v in value.items()}
        if not isinstance(value, list) and not (isinstance(value, str) and (_OPEN in value or value == "???")):
            return value
        try:
            found = OmegaConf.select(cfg, key, throw_on_missing=True)
            return OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
        except OmegaConfBaseException as e:
            problems.append(Problem(key, f"{value!r} cannot be resolved: {_first_line(e)}"))
            return None

    data = resolved(raw, "")
    if problems:
        raise ConfigError(problems)
    return dict(data)


def _given() -> frozenset[str]:
    given: Any = OmegaConf.to_container(HydraConfig.get().overrides, resolve=False)
    return frozenset(o.lstrip("+~").split("=", 1)[0].split("@")[0] for o in given["task"])


def _hidden() -> tuple[str, ...]:
    folders = [Path(s.path) for s in HydraConfig.get().runtime.config_sources if s.schema == "file"]
    theirs = [(p, p.relative_to(d)) for d in folders[1:] if d.is_dir() for p in sorted(d.rglob("*.yaml"))]
    return tuple(str(p) for p, relative in theirs if (conf_dir() / relative).is_file())


def _problems(error: BaseException, arguments: list[str]) -> Iterator[Problem]:
    chain = list(_chain(error))
    if any(isinstance(e, ConfigError) for e in chain):
        yield from next(e for e in chain if isinstance(e, ConfigError)).problems
    elif found := [e for e in chain if isinstance(e, HydraException | OmegaConfBaseException) and str(e).strip()]:
        yield _translated(str(found[0]), arguments)
    elif isinstance(error, OSError | UnicodeError):
        yield Problem("", f"the configuration cannot be read or runs/ not be written: {_first_line(error)}")
    elif _inside_hydra(error):
        yield Problem(
            "", f"the configuration cannot be composed: {_first_line(error)}", "has a YAML file a wrong shape?"
        )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _inside_hydra(error: BaseException) -> bool:
    """Whether the innermost frame of the traceback is Hydra's or OmegaConf's."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    file = tb.tb_frame.f_code.co_filename if tb else ""
    return any(f"{os.sep}{name}{os.sep}" in file for name in ("hydra", "omegaconf", "antlr4", "yaml"))


def _translated(text: str, arguments: list[str]) -> Problem:
    if m := re.search(r"(?:Could not find|In '[^']+': Could not find) '([^']+)'", text):
        group, _, name = m[1].rpartition("/")
        options = re.search(r"Available options in '[^']+':\s+(.*?)(?:\n\n|\nConfig search|$)", text, re.S)
        names = options[1].split() if options else []
        there = f"; there are {', '.join(names)}" if names else ""
        return Problem(group, f"{name!r} does not exist{there}", nearest(name, names))
    if m := re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text):
        key = m[1] or m[2]
        hint = f"write +{key}=…" if key in ("experiment", "prompt_set", "motion_preset") else nearest(key, _keys())
        return Problem(key, "unknown key", hint)
    if "requires --multirun" in text:
        return Problem("", text.strip(), "add -m; a range of seeds is written 0..3")
    if m := re.search(r"override '([^']*)'|value '([^']*)'|list of.*?: (.*)", text):
        wrong = next((a for a in arguments if (m[1] or m[2] or "\0") in a), m[1] or m[2] or m[3])
        return Problem("", f"{wrong!r} cannot be read", "quote it: 'key=\"value\"'")
    hint = "quote it: 'key=\"value\"'" if "at input" in text else ""
    return Problem("", " ".join(text.replace(_MARK, _OPEN).split("See https")[0].split())[:400], hint)


def _keys() -> list[str]:
    keys = [*Experiment.model_fields, *SWEEPABLE]
    for name, field in Experiment.model_fields.items():
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
            section: type[Section] = field.annotation
            keys += [f"{name}.{k}" for k in section.model_fields]
    return keys


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
