"""Finds what an experiment names: in the working folder, else beside its file, or with the shipped experiments."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch.config.control import OF_START
from sdbatch.config.pictures import ALPHA
from sdbatch.spec.passes import LANCZOS, LATENT

_UPSCALERS = (LANCZOS, LATENT)
# Keys that name files, with the values that are not paths.
_PATHS: dict[str, tuple[str, ...]] = {
    "styles.file": (),
    "wildcards.folder": (),
    "encoding.audio": (),
    "init.image": (),
    "init.video": (),
    "mask.image": (ALPHA,),
    "hires.upscaler": _UPSCALERS,
    "upscale.model": _UPSCALERS,
}


def found_beside(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """``data`` of an experiment, whose paths lead into ``folder`` where the working folder has no such file."""
    return _Finder(folder).experiment(data)


@dataclass(frozen=True, slots=True)
class _Finder:
    folder: Path

    def experiment(self, data: dict[str, Any]) -> dict[str, Any]:
        out = data | {"prompts": self.prompts(data.get("prompts"))}
        if isinstance(sweep := data.get("sweep"), list):
            out["sweep"] = [self.entry(keys) if isinstance(keys, dict) else keys for keys in sweep]
        if "control" in data:
            out["control"] = self.controls(data["control"])
        for name, words in _PATHS.items():
            section, key = name.split(".")
            if isinstance(values := out.get(section), dict):
                out[section] = self.paths(values, {key: words})
        return out

    def entry(self, keys: dict[Any, Any]) -> dict[Any, Any]:
        """An entry of ``sweep``."""
        found = {"prompts": self.prompts(keys["prompts"])} if "prompts" in keys else {}
        found |= {"control": self.controls(keys["control"])} if "control" in keys else {}
        return self.paths(keys, _PATHS) | found

    def prompts(self, entries: Any) -> Any:
        if not isinstance(entries, list):
            return entries
        return [e | {"file": self.path(e["file"])} if isinstance(e, dict) and "file" in e else e for e in entries]

    def controls(self, entries: Any) -> Any:
        """ControlNets, or lists of them: their files and pictures."""
        if isinstance(entries, list):
            return [self.controls(entry) for entry in entries]
        if not isinstance(entries, dict):
            return entries
        start = entries.get("image") in (OF_START, [OF_START])  # in a longer list it is a file of that name
        return self.paths(entries, dict.fromkeys(("net", "video") if start else ("net", "image", "video"), ()))

    def paths(self, values: dict[Any, Any], table: dict[str, tuple[str, ...]]) -> dict[Any, Any]:
        """``values`` with those keys found that ``table`` has."""
        return values | {key: self.path(values[key], words) for key, words in table.items() if key in values}

    def path(self, path: Any, words: Collection[str] = ()) -> Any:
        """A path, or several; ``words`` are none."""
        if isinstance(path, list):
            return [self.path(each, words) for each in path]
        if not isinstance(path, str) or path in ("", *words):
            return path
        try:
            if not Path(path).exists() and (self.folder / path).exists():
                return str(self.folder / path)  # an absolute path stays itself
        except (OSError, ValueError):  # validation says that it is not a path
            pass
        return path
