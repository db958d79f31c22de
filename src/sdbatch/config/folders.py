"""The folders of configuration files: the package's own, the user's, and a temporary one for a file anywhere on disk.

Does not depend on Hydra.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sdbatch.config.experiment import GROUPS
from sdbatch.errors import ConfigError, nearest
from sdbatch.spec.ranges import slug

OWN_FOLDER = "conf"
_PACKAGE = Path(__file__).parents[1]
_FILE = "file-"


def conf_dir() -> Path:
    """The package's own conf/ (in a wheel), else the checkout's."""
    shipped = _PACKAGE / "conf"
    return shipped if (shipped / "config.yaml").is_file() else _PACKAGE.parents[1] / "conf"


def folder_of(file: Path | None) -> Path:
    """Where the files that an experiment names may be: beside its ``file``; None: one of the shipped experiments."""
    return conf_dir() / "experiment" if file is None else file.parent


def own_folder(config_dir: str | None) -> str:
    """The user's ``conf``, if it is in the working folder and --config-dir does not name another; else empty.

    A folder with a config.yaml is not the user's: it belongs to a checkout of sdbatch.
    """
    folder = Path(OWN_FOLDER)
    if config_dir or not (folder / "experiment").is_dir() or (folder / "config.yaml").exists():
        return ""
    return OWN_FOLDER


def groups_in(config_dir: str | None) -> list[str]:
    """The groups in the user's ``--config-dir``."""
    folder = Path(config_dir or "")
    return [p.name for p in folder.iterdir() if p.is_dir()] if config_dir and folder.is_dir() else []


def copy_experiment(file: Path, folder: Path, load: Callable[[str], Any]) -> str:
    """Put ``file`` where Hydra finds it as ``+experiment=``; the name to use there.

    ``load`` parses it first, so that errors have the user's file and line: the copy has another name and a line more.
    """
    name = f"{_FILE}{slug(file.stem, 64)}"  # built-in experiments cannot hide it
    try:
        text = file.read_text("utf-8-sig")
        data = load(text)
    except (OSError, ValueError) as e:
        why = "is not UTF-8 text" if isinstance(e, UnicodeError) else getattr(e, "strerror", None) or e
        hint = _nearest_file(file) if isinstance(e, FileNotFoundError) else ""
        raise ConfigError.one("", f"{str(file)!r} cannot be read: {why}", hint) from e
    if data is not None and not isinstance(data, dict):
        raise ConfigError.one("", f"{str(file)!r} is not a mapping of keys")
    (folder / "experiment").mkdir()
    head = "" if "@package" in text.split("\n", 1)[0] else "# @package _global_\n"
    (folder / "experiment" / f"{name}.yaml").write_text(head + text, "utf-8")
    return name


def _nearest_file(file: Path) -> str:
    names = sorted(p.name for p in file.parent.glob("*.y*ml"))
    same = [name for name in names if Path(name).stem == file.stem]
    return f"did you mean {same[0]!r}?" if same else nearest(file.name, names)


def written_name(config: str) -> str:
    """The name under which a file counts as part of an experiment (``prompt_set/scenes``); empty for other files."""
    group, _, name = config.removesuffix(".yaml").rpartition("/")
    return f"{group}/{name.removeprefix(_FILE)}" if group in GROUPS else ""
