"""Hydra and OmegaConf: the only file that imports them. From a command line to plain data, or to Problems."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader
from omegaconf.errors import OmegaConfBaseException

from sdbatch.config.experiment import GROUPS
from sdbatch.config.hydra_errors import KEYS, translate
from sdbatch.config.untrusted import forbidden_keys
from sdbatch.config.yaml_reader import load
from sdbatch.errors import ConfigError, Problem, shown

# Texts of users are data: a ${ or ??? in a prompt is not for OmegaConf, so it travels marked.
LITERAL = ("prompts", "negative", "sweep", "skip", "motion.phrase", "motion.prompts", "final.set")
_NAMES = frozenset(key.split(".")[-1] for key in LITERAL)
_SECTIONS = frozenset(key.rpartition(".")[0] for key in KEYS)
_PACKAGE = Path(__file__).parents[1]


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
    overrides = [a for a in arguments if a[:1] in ("+", "~") or ("=" in a and a[:1] != "-")]
    flags = [a for a in arguments if a not in overrides]  # first: argparse stumbles over flags in between
    _check_flags(flags)
    groups = {*GROUPS, *_folders(get_args_parser().parse_args(flags).config_dir)}
    sys.argv[1:] = [*flags, *(_marked_argument(_forced(a, groups)) for a in overrides)]
    main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    try:
        main(lambda cfg: task(lambda: Composed(_plain(cfg), _given(), _hidden())))()
    except Exception as error:
        if problems := list(_problems(error)):
            raise ConfigError(problems) from error
        raise


def _check_flags(flags: list[str]) -> None:
    """Only whole flags: argparse would take --experiment for --experimental-rerun, which unpickles a file."""
    known = get_args_parser()._option_string_actions.keys() - {"--experimental-rerun"}
    wrong = [f for f in flags if f.startswith("-") and f.partition("=")[0] not in known]
    if wrong:
        raise ConfigError(
            Problem(
                f, "unknown flag", f"keys are written {f.lstrip('-').partition('=')[0]}=…, experiments +experiment=…"
            )
            for f in wrong
        )


def _folders(config_dir: str | None) -> list[str]:
    """The groups of the user's own ``--config-dir``."""
    folder = Path(config_dir or "")
    return [p.name for p in folder.iterdir() if p.is_dir()] if config_dir and folder.is_dir() else []


def _forced(argument: str, groups: Collection[str]) -> str:
    """An unknown key goes in all the same: Hydra stops at the first, ``validate`` names all."""
    key = argument.partition("=")[0]
    known = key in KEYS or key in groups or key.split(".")[0] == "hydra" or key.rpartition(".")[0] not in _SECTIONS
    return argument if known or not re.fullmatch(r"[A-Za-z_][\w.]*", key) else f"++{argument}"


class FileConfigSource(file_config_source.FileConfigSource):  # registered under this name before Hydra's own
    """Hydra's reader of YAML files, with user text marked before OmegaConf sees them."""

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path) / self._normalize_file_name(config_path)
        try:
            text = path.read_text("utf-8-sig")
            data = load(text, get_yaml_loader())  # OmegaConf's own, a SafeLoader
        except ValueError as e:
            why = "not UTF-8 text" if isinstance(e, UnicodeError) else str(e)
            raise ConfigError.one("", f"{path.name} cannot be read: {why}") from e
        header = self._get_header_dict(text[:4096])
        if data is not None and not isinstance(data, dict):
            raise ConfigError.one("", f"{path.name} is not a mapping of keys")
        if data and not isinstance(data.get("hydra", {}), dict):
            raise ConfigError.one("hydra", f"{shown(data['hydra'])} is not a mapping of keys")
        theirs = not Path(self.path).samefile(conf_dir())
        if theirs and (
            problems := forbidden_keys(config_path.removesuffix(".yaml"), data or {}, header.get("package") or "")
        ):
            raise ConfigError(problems)
        return ConfigResult(f"file://{self.path}", self.provider, OmegaConf.create(_marked(data or {})), header)


def _marked(data: Mapping[Any, Any]) -> dict[Any, Any]:
    return {k: _each(v, _mark) if k in _NAMES else _marked(v) if isinstance(v, Mapping) else v for k, v in data.items()}


def _mark(text: str) -> str:
    """``${`` and ``???`` out of OmegaConf's sight; a mark that the text holds itself gets longer: undone exactly."""
    return re.sub(r"\$\ue000*\{|\A\?\?\ue000*\?\Z", lambda m: f"{m[0][:-1]}\ue000{m[0][-1]}", text)


def _unmark(text: str) -> str:
    return re.sub(r"\$\ue000+\{|\A\?\?\ue000+\?\Z", lambda m: f"{m[0][:-2]}{m[0][-1]}", text)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_each(k, change): _each(v, change) for k, v in value.items()}
    return [_each(v, change) for v in value] if isinstance(value, list) else value


def _marked_argument(argument: str) -> str:
    key = argument.lstrip("+~").partition("=")[0]
    literal = any(f"{key}.".startswith(f"{k}.") or k.startswith(f"{key}.") for k in LITERAL)
    return _mark(argument) if literal else argument


def _plain(cfg: Any) -> dict[str, Any]:
    """Plain data; every interpolation that cannot be resolved is a Problem."""
    raw = OmegaConf.to_container(cfg, resolve=False)
    problems: list[Problem] = []

    def resolved(value: Any, key: str) -> Any:
        if key in LITERAL:
            return value
        if isinstance(value, dict):
            return {k: resolved(v, f"{key}.{k}" if key else str(k)) for k, v in value.items()}
        if not isinstance(value, list) and not (isinstance(value, str) and ("${" in value or value == "???")):
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
    return dict(_each(data, _unmark))


def _given() -> frozenset[str]:
    """Dotted keys; those of ``sampling={steps: 3}`` too."""
    texts: Any = OmegaConf.to_container(HydraConfig.get().overrides, resolve=False)
    return frozenset(
        key
        for o in OverridesParser.create().parse_overrides(texts["task"])
        for key in _dotted(o.key_or_group, o.value())
    )


def _dotted(key: str, value: Any) -> Iterator[str]:
    yield key
    for k, v in value.items() if isinstance(value, Mapping) else ():
        yield from _dotted(f"{key}.{k}", v)


def _hidden() -> tuple[str, ...]:
    folders = [Path(s.path) for s in HydraConfig.get().runtime.config_sources if s.schema == "file"]
    theirs = [(p, p.relative_to(d)) for d in folders[1:] if d.is_dir() for p in sorted(d.rglob("*.yaml"))]
    return tuple(str(p) for p, relative in theirs if (conf_dir() / relative).is_file())


def _problems(error: BaseException) -> Iterator[Problem]:
    chain = list(_chain(error))
    if any(isinstance(e, ConfigError) for e in chain):
        yield from next(e for e in chain if isinstance(e, ConfigError)).problems
    elif found := [e for e in chain if isinstance(e, HydraException | OmegaConfBaseException) and str(e).strip()]:
        override = getattr(found[0], "override", None)
        yield translate([_unmark(str(e)) for e in found], override and _unmark(override).removeprefix("++"))
    elif isinstance(error, OSError | UnicodeError):
        yield Problem("", f"the configuration cannot be read or runs/ not be written: {_first_line(error)}")
    elif _inside_hydra(error):
        known = translate([_first_line(error)])
        hint = "has a YAML file a wrong shape?"
        yield known if known.hint else Problem("", f"the configuration cannot be composed: {known.message}", hint)


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


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
