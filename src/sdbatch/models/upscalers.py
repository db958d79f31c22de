"""Upscalers: the names of methods, and files of networks, checked without torch: ESRGAN (RRDB) and Compact layouts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from sdbatch.errors import ConfigError, nearest, shown
from sdbatch.files.home import expanded
from sdbatch.models.folders import Folders, digest_of
from sdbatch.models.source import PICKLES, SHIPPED
from sdbatch.models.tensors import header
from sdbatch.spec.passes import LANCZOS, LATENT, Upscaler

KEY = "upscaler_folders"
_OTHERS = {  # what names say about networks that are not known here
    "SwinIR": re.compile(r"layers\.\d+\.residual_group\.blocks\.\d+\.attn\.relative_position_bias_table"),
    "HAT or DAT": re.compile(r"layers\.\d+\.(residual_group\.)?blocks\.\d+\.(conv_block|attn\.attns)"),
    "SPAN": re.compile(r"block_1\.c1_r"),
    "a LoRA": re.compile(r"lora_"),
    "a Stable Diffusion checkpoint": re.compile(r"model\.diffusion_model\.|first_stage_model\."),
}


class Upscalers:
    """Finds upscalers; ``files`` gets those that were named, by digest."""

    def __init__(self, folders: Iterable[str], files: dict[str, Path]) -> None:
        self._folders = Folders([Path(f).expanduser() for f in folders], KEY, SHIPPED / "upscaler")
        self._files = files
        self._known: dict[Path, Upscaler] = {}

    def find(self, name: str, at: str, latent: bool = True) -> Upscaler:
        """The upscaler that ``name`` or a path names. Raises ConfigError with the key ``at``."""
        methods = (LANCZOS, LATENT) if latent else (LANCZOS,)
        if name in methods:
            return Upscaler(name)
        if name == LATENT:
            hint = "set hires.upscaler=latent, or use lanczos here"
            raise ConfigError.one(at, "latent only prepares a denoising", hint)
        path = expanded(name, at)
        if path.suffix.lower() not in (".safetensors", *PICKLES) or not path.is_file():
            path = self._in_folders(name, at, methods)
        return self._read(path.resolve(), at)

    def bind_named(self, names: Iterable[str]) -> None:
        """Read the files that ``names`` are, if they are there."""
        for name in names:
            with suppress(ConfigError):
                self.find(name, KEY)

    def bind(self, used: Iterable[Upscaler]) -> None:
        """Find the files of ``used`` by digest. Raises ConfigError for those that are not here."""
        for one in dict.fromkeys(each for each in used if each.is_network):
            path = self._files.get(one.method) or self._folders.with_digest(one.method, one.name)
            if path is None:
                said = f"{one.name or 'an upscaler'} ({one.method}), which was used, is not in {self._folders.said}"
                raise ConfigError.one(KEY, said, "name the folder that it is in")
            self._files[one.method] = path.resolve()

    def _in_folders(self, name: str, at: str, methods: tuple[str, ...]) -> Path:
        plain = name.removesuffix(".safetensors")
        if plain not in self._folders.by_name:
            known = [*methods, *self._folders.by_name]
            text = f"unknown upscaler {shown(name)}: no file of that name is here or in {self._folders.said}"
            allowed = f"allowed: {', '.join(known[:12])}, or a .safetensors file"
            raise ConfigError.one(at, f"{text}; {allowed}", nearest(plain, known))
        return self._folders.find(plain, at)

    def _read(self, path: Path, at: str) -> Upscaler:
        if path not in self._known:
            found = header(path, at)
            try:
                scale({name: shape for name, (_, shape, *_) in found.entries.items()})
            except ValueError as e:
                hint = "known are ESRGAN (RRDB) and Real-ESRGAN Compact"
                raise ConfigError.one(at, f"{path.name!r} {e}", hint) from e
            made = self._known[path] = Upscaler(digest_of(path), _plain(path.stem))
            self._files[made.method] = path
        return self._known[path]


def _plain(name: str) -> str:
    """A name without the characters that separate fields of infotexts."""
    return "".join("_" if c in ',:"\n' or not c.isprintable() else c for c in name)[:128]


def scale(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How much larger the network with tensors of these ``shapes`` makes a picture. Raises ValueError."""
    names = {name.removeprefix("module."): shape for name, shape in shapes.items()}
    if "body.0.weight" in names and "body.1.weight" in names and len(names["body.0.weight"]) == 4:
        return _compact(names)
    first = names.get("model.0.weight") or names.get("conv_first.weight")
    blocks = [name for name in names if re.search(r"(?i)\.rdb1\.conv1(\.0)?\.weight$", name)]
    if first is None or not blocks or len(first) != 4:
        other = next((f": it is {what}" for what, mark in _OTHERS.items() if any(map(mark.search, names))), "")
        raise ValueError(f"is not an upscaler that is known here{other}")
    return _rrdb(names, first)


def _compact(names: Mapping[str, tuple[int, ...]]) -> int:
    places = sorted(int(name.split(".")[1]) for name in names if re.fullmatch(r"body\.\d+\.weight", name))
    first, last = names["body.0.weight"], names[f"body.{places[-1]}.weight"]
    factor: int = round(float(last[0] / 3) ** 0.5)
    if places != list(range(len(places))) or first[1] != 3 or factor**2 * 3 != last[0]:
        raise ValueError("is a Compact network of another shape")
    return factor


def _rrdb(names: Mapping[str, tuple[int, ...]], first: tuple[int, ...]) -> int:
    unshuffle: int = round(float(first[1] / 3) ** 0.5)
    if "model.0.weight" in names:
        places = {int(name.split(".")[1]) for name in names if re.match(r"model\.\d+\.", name)}
        ups = len(places) - 4
    else:
        ups = sum(bool(re.fullmatch(r"(upconv|conv_up)\d\.weight", name)) for name in names)
    if unshuffle**2 * 3 != first[1] or ups < 0 or 2**ups < unshuffle:
        raise ValueError("is an ESRGAN network of another shape")
    return int(2**ups) // unshuffle
