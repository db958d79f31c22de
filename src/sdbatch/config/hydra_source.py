"""Composes a command line into plain data with Hydra and OmegaConf. The only module that imports them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any, ClassVar

import hydra
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader
from omegaconf.errors import OmegaConfBaseException

from sdbatch.config.arguments import check_words, dotted, flag_hint, force_added, is_file, quoted, read_by_hydra
from sdbatch.config.beside import found_beside
from sdbatch.config.experiment import GROUPS
from sdbatch.config.folders import (
    OWN_FOLDER,
    conf_dir,
    copy_experiment,
    folder_of,
    groups_in,
    own_folder,
    written_name,
)
from sdbatch.config.hydra_errors import chain_of, first_line, inside_hydra, translate
from sdbatch.config.keys import wrong_shapes
from sdbatch.config.untrusted import forbidden_keys
from sdbatch.config.user_text import LITERAL, escaped, escaped_argument, unescaped
from sdbatch.config.written import AS_DATA, Written
from sdbatch.config.yaml_reader import load
from sdbatch.errors import ConfigError, Problem, shown


@dataclass(frozen=True, slots=True)
class Composed:
    """A composed configuration.

    ``data`` is plain data; ``given`` are the keys on the command line; ``hidden`` are files of the user's
    ``--config-dir`` that Hydra ignores silently because a built-in file has the same name; ``own``: files of the
    working folder's conf/ were available; ``written``: what was composed.
    """

    data: dict[str, Any]
    given: frozenset[str]
    hidden: tuple[str, ...]
    own: bool = False
    written: Written = AS_DATA


_COMPOSING = RLock()  # Hydra has global state
Run = Callable[[Callable[[], Composed], str], int]  # (read, what the run is called) -> its exit code


def compose(arguments: list[str], task: Run) -> list[int]:
    """Call ``task`` with a function that returns the composed ``arguments``; with ``-m`` once per run, and with the
    run's number and what is swept (``run 2 (sampling.steps=20)``). Returns the exit codes.

    An argument that ends with .yaml is an experiment file anywhere on disk. Raises ConfigError for errors of Hydra.
    """
    SourcesRegistry.instance().register(FileConfigSource)
    FileConfigSource.read.clear()
    try:
        with ExitStack() as stack:
            # A launcher may run them in other processes, whose results Hydra does not return: each leaves its code.
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="sdbatch-", ignore_cleanup_errors=True)))
            given = _hydra_arguments(arguments, folder, stack)
            file = next((Path(a) for a in arguments if is_file(a)), None)
            own = f"--config-dir={OWN_FOLDER}" in given and f"--config-dir={OWN_FOLDER}" not in arguments

            def one(cfg: Any) -> None:
                number, name = _run_name(given)
                written = _written(arguments)

                def read() -> Composed:
                    data = found_beside(_plain_data(cfg), folder_of(file))
                    return Composed(data, _given_keys(), _hidden_files(), own, written)

                code = task(read, name)
                (folder / f"{number}.code").write_text(str(code), "ascii")

            stack.enter_context(read_by_hydra(given))
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(one)()
            return [int(path.read_text("ascii")) for path in folder.glob("*.code")]
    except Exception as error:
        if problems := list(_problems(error)):
            raise ConfigError(problems) from error
        raise


def _swept_keys(arguments: Sequence[str]) -> frozenset[str]:
    """The keys with several values for ``-m``. Hydra reports what cannot be parsed."""
    found: set[str] = set()
    for argument in (a for a in arguments if "=" in a and not a.startswith("-")):
        with suppress(HydraException):
            parsed = OverridesParser.create().parse_overrides([argument])
            found |= {o.key_or_group for o in parsed if o.is_sweep_override()}
    return frozenset(found)


def _run_name(given: Sequence[str]) -> tuple[int, str]:
    """The number of a run of ``-m``, and its name with the swept values; (0, "") without ``-m``."""
    config = HydraConfig.get()
    if config.mode is not RunMode.MULTIRUN:
        return 0, ""
    number, swept = config.job.num + 1, _swept_keys(given)
    values = [a.lstrip("+") for a in map(unescaped, config.overrides.task) if a.lstrip("+").partition("=")[0] in swept]
    return number, f"run {number} ({', '.join(values)})" if values else f"run {number}"


def _hydra_arguments(arguments: list[str], temporary: Path, stack: ExitStack) -> list[str]:
    """``arguments`` as Hydra gets them. ``stack`` holds the folders that they refer to.

    What Hydra itself writes goes into the folder ``temporary``, unless the user names another.
    """
    overrides = [a for a in arguments if a[:1] in ("+", "~") or ("=" in a and a[:1] != "-")]
    flags = [a for a in arguments if a not in overrides]  # they go first: argparse rejects flags between overrides
    _check_flags(flags)
    if not {"-sc", "--shell-completion"}.isdisjoint(flags):  # its arguments look like overrides
        return [*flags, *overrides]
    options = get_args_parser().parse_intermixed_args(flags)
    files = [a for a in options.overrides if is_file(a)]
    check_words(arguments, set(options.overrides) - set(files))
    if len(files) > 1:
        raise ConfigError.one("", f"{len(files)} experiment files: {', '.join(map(shown, files))}", "name one")
    if files and (others := [a for a in overrides if a.lstrip("+").startswith("experiment=")]):
        raise ConfigError.one("experiment", f"{shown(files[0])} is an experiment, and {others[0]} too", "name one")
    own = own_folder(options.config_dir)
    groups = {*GROUPS, *groups_in(options.config_dir or own)}
    flags += [f"--config-dir={own}"] if own else []
    escaped_ones = [escaped_argument(force_added(a, groups)) for a in overrides]
    own_ones = [a for f in files for a in _file(Path(f), stack)]
    flags = [f for f in flags if f not in files]
    return [*flags, f"hydra.sweep.dir={quoted(str(temporary))}", *own_ones, *escaped_ones]


def _file(path: Path, stack: ExitStack) -> tuple[str, str]:
    """The overrides that make an experiment file known to Hydra and choose it. Raises ConfigError."""
    folder = stack.enter_context(TemporaryDirectory(prefix="sdbatch-"))
    name = copy_experiment(path, Path(folder), _loaded)
    return f"hydra.searchpath=[{quoted(f'file://{folder}')}]", f"+experiment={name}"


def compose_data(overrides: Sequence[str], file: Path | None = None) -> Composed:
    """Compose ``overrides`` (``key=value``, ``+experiment=name``) without Hydra's command line, for the Python API.

    ``file`` is an experiment file anywhere on disk; it needs no ``# @package`` line. Raises ConfigError.
    """
    SourcesRegistry.instance().register(FileConfigSource)
    arguments = [escaped_argument(force_added(a, GROUPS)) for a in overrides]
    try:
        with _COMPOSING, ExitStack() as stack:
            FileConfigSource.read.clear()
            if file is not None:
                arguments = [*_file(file, stack), *arguments]
            stack.enter_context(_own_hydra())
            stack.enter_context(hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"))
            data = found_beside(_plain_data(hydra.compose("config", arguments)), folder_of(file))
            return Composed(data, _keys_of(list(overrides)), (), written=_written(overrides))
    except Exception as error:
        if problems := list(_problems(error)):
            raise ConfigError(problems) from error
        raise


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Put Hydra's global state aside: a task of the command line, or the user's program, runs inside of Hydra."""
    state = GlobalHydra.instance()
    before, state.hydra = state.hydra, None
    try:
        yield
    finally:
        state.hydra = before


def _written(arguments: Sequence[str]) -> Written:
    """The files that Hydra has read, and those of ``arguments`` that set something."""
    given = (a for a in arguments if "=" in a and a[0] != "-")
    return Written(tuple(sorted(FileConfigSource.read.items())), tuple(given))


def _check_flags(flags: list[str]) -> None:
    """Reject abbreviated flags: argparse would expand --experiment to --experimental-rerun, which unpickles a file."""
    known = get_args_parser()._option_string_actions.keys() - {"--experimental-rerun"}
    unknown = [f for f in flags if f.startswith("-") and f.partition("=")[0] not in known]
    if unknown:
        raise ConfigError(Problem(f, "unknown flag", flag_hint(f)) for f in unknown)


class FileConfigSource(file_config_source.FileConfigSource):  # registered under this name before Hydra's own
    """Hydra's reader of YAML files, which escapes user text before OmegaConf parses it.

    ``read``: the texts of what an experiment consists of, by name; Hydra makes a source for every file.
    """

    read: ClassVar[dict[str, str]] = {}

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path) / self._normalize_file_name(config_path)
        try:
            text = path.read_text("utf-8-sig")
            data = _loaded(text)
        except ValueError as e:
            reason = "not UTF-8 text" if isinstance(e, UnicodeError) else str(e)
            raise ConfigError.one("", f"{path.name} cannot be read: {reason}") from e
        header = self._get_header_dict(text[:4096])
        if data is not None and not isinstance(data, dict):
            raise ConfigError.one("", f"{path.name} is not a mapping of keys")
        if data and not isinstance(data.get("hydra", {}), dict):
            raise ConfigError.one("hydra", f"{shown(data['hydra'])} is not a mapping of keys")
        untrusted = not Path(self.path).samefile(conf_dir())
        if untrusted and (
            problems := forbidden_keys(
                written_name(config_path) or config_path.removesuffix(".yaml"), data or {}, header.get("package") or ""
            )
        ):
            raise ConfigError(problems)
        if header.get("package") == "_global_" and (problems := wrong_shapes(data or {})):
            raise ConfigError(problems)
        if name := written_name(config_path):
            self.read[name] = text
        return ConfigResult(f"file://{self.path}", self.provider, OmegaConf.create(escaped(data or {})), header)


@lru_cache(maxsize=16)
def _loaded(text: str) -> Any:
    """The data in a YAML text. Hydra composes twice, first to learn its mode."""
    return load(text, get_yaml_loader())  # OmegaConf's own, a SafeLoader


def _plain_data(cfg: Any) -> dict[str, Any]:
    """``cfg`` as plain data, interpolations resolved. Raises ConfigError with every one that cannot be resolved."""
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
            problems.append(Problem(key, f"{value!r} cannot be resolved: {first_line(e)}"))
            return None

    data = resolved(raw, "")
    if problems:
        raise ConfigError(problems)
    return dict(unescaped(data))


def _given_keys() -> frozenset[str]:
    """Dotted keys on the command line."""
    overrides: Any = OmegaConf.to_container(HydraConfig.get().overrides, resolve=False)
    return _keys_of(overrides["task"])


def _keys_of(overrides: list[str]) -> frozenset[str]:
    """Dotted keys that ``overrides`` set, including those in ``sampling={steps: 3}``."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    return frozenset(key for o in parsed for key in dotted(o.key_or_group, o.value()))


def _hidden_files() -> tuple[str, ...]:
    """Files of ``--config-dir`` with the name of a built-in file."""
    folders = [Path(s.path) for s in HydraConfig.get().runtime.config_sources if s.schema == "file"]
    user_files = [(p, p.relative_to(d)) for d in folders[1:] if d.is_dir() for p in sorted(d.rglob("*.yaml"))]
    return tuple(str(p) for p, relative in user_files if (conf_dir() / relative).is_file())


def _problems(error: BaseException) -> Iterator[Problem]:
    chain = list(chain_of(error))
    if any(isinstance(e, ConfigError) for e in chain):
        yield from next(e for e in chain if isinstance(e, ConfigError)).problems
    elif found := [e for e in chain if isinstance(e, HydraException | OmegaConfBaseException) and str(e).strip()]:
        override = getattr(found[0], "override", None)
        yield translate([unescaped(str(e)) for e in found], override and unescaped(override).removeprefix("++"))
    elif isinstance(error, OSError | UnicodeError):
        yield Problem("", f"the configuration cannot be read: {first_line(error)}")
    elif inside_hydra(error):
        known = translate([first_line(error)])
        hint = "check the structure of your YAML files"
        yield known if known.hint else Problem("", f"cannot compose the configuration: {known.message}", hint)
