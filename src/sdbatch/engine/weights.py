"""The weights in memory: those of several models within a budget. Does not know shots and calls.

A model consists of *parts*: text encoder, denoiser and VAE. Models that differ in one part share the others. Parts that
no shot in flight needs leave the memory when another model needs the room, least recently used first. The next model
is read in a thread while the current one renders.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from sdbatch.engine.gpu_errors import is_out_of_memory, reason
from sdbatch.engine.load import load_controlnet, load_part
from sdbatch.engine.loaded import Loaded, Settings
from sdbatch.engine.merge import check_loras, merged_into
from sdbatch.engine.selftest import Tested
from sdbatch.engine.sizes import in_file, parameters
from sdbatch.errors import ConfigError, RenderError, SdbatchError
from sdbatch.models.source import Source
from sdbatch.spec.jobs import Model, Shot

SHARE = 0.5  # of the memory of the device, for weights: the rest is for calls


class Part(NamedTuple):
    """A network: its name in ``load.PARTS``, and everything that decides its numbers."""

    name: str
    of: tuple[Any, ...]


def parts_of(source: Source) -> tuple[Part, ...]:
    """Text encoder, denoiser, VAE and ControlNets of ``source``. Raises ConfigError for a LoRA that cannot be read."""
    model = source.model
    return (
        Part("text_encoder", (model.weights, model.clip_skip, *merged_into("text_encoder", source))),
        Part("unet", (model.weights, *merged_into("unet", source))),
        Part("vae", (model.vae or model.weights,)),
        *(Part("controlnet", (net, model.weights)) for net in source.controls),
    )


def usual_budget(device: torch.device) -> int:
    """Bytes for weights, if the user sets none."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * SHARE)
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * SHARE)


class _Entry(NamedTuple):
    """A wrapped network: a Texts, a Denoiser, a Vae or a ControlNet."""

    wrapped: Any
    bytes: int


class Weights:
    """The models ``sources`` (by ``Source.key``), of which those in use are in memory, in at most ``budget`` bytes.

    With LoRAs and ControlNets a model is another one; these are added to ``sources`` when a shot needs them.

    Models of shots in flight are *busy*; they never leave. A single model is loaded whatever its size.
    """

    def __init__(self, sources: Sequence[Source], settings: Settings, budget: int) -> None:
        self.sources = {source.key: source for source in reversed(sources)}  # of equal ones the first
        self._single = len(self.sources) == 1
        self._parts = lru_cache(maxsize=None)(lambda key: parts_of(self.sources[key]))
        self._settings = settings
        self._budget = budget
        self._bytes: int = settings.device.dtype.itemsize  # of a parameter
        self._entries: OrderedDict[Part, _Entry] = OrderedDict()  # least recently used first
        self._models: dict[str, Loaded] = {}
        self._failed: dict[str, SdbatchError] = {}
        self._tested: dict[str, Tested] = {}  # by model without LoRAs, and ControlNets
        self._sizes: dict[Part, int] = {}
        self._reading: dict[str, Future[dict[Part, Any]]] = {}  # at most one model ahead
        self._thread = ThreadPoolExecutor(1, "weights", lambda: torch.set_num_threads(settings.device.threads))

    def source_of(self, shot: Shot) -> Source:
        """Where the weights of ``shot`` are; an engine of one model renders all shots with it.

        Raises RenderError, and ConfigError for a LoRA that does not fit.
        """
        found = self._of_model(shot.model)
        if not shot.controls:
            return found
        made = replace(found, controls=tuple(control.net for control in shot.controls))
        if unknown := [control for control in shot.controls if control.net not in made.adapters]:
            raise RenderError(f"the ControlNet {unknown[0].name or unknown[0].net} is not known in this run")
        return self.sources.setdefault(made.key, made)

    def _of_model(self, model: Model) -> Source:
        if (found := self.sources.get(model.key)) is not None:
            return found
        plain = self.sources.get(model.plain.key)
        if plain is None and self._single:
            plain = next(iter(self.sources.values()))
        if plain is None:
            raise RenderError("its weights are not among those of this run")
        if not model.loras:
            return plain
        made = replace(plain, model=replace(plain.model, loras=model.loras))
        check_loras(made)
        return self.sources.setdefault(made.model.key, made)

    def get(self, key: str) -> Loaded:
        """The model ``key``, loaded if it is not in memory. Raises SdbatchError; the same one each time."""
        if key in self._failed:
            raise self._failed[key].with_traceback(None)
        if key not in self._models:
            try:
                self._models[key] = self._load(self.sources[key])
            except (SdbatchError, OSError, ValueError, KeyError) as e:
                wrong = e if isinstance(e, SdbatchError) else ConfigError.one("model", f"cannot be loaded: {e}")
                self._failed[key] = wrong
                raise wrong from e
        for part in self._parts(key):
            self._entries.move_to_end(part)
        return self._models[key]

    @property
    def several(self) -> bool:
        """Whether shots may need different weights."""
        return not self._single or any(source.adapters for source in self.sources.values())

    @property
    def in_memory(self) -> Mapping[str, Loaded]:
        """The models that are loaded, by key."""
        return self._models

    def largest(self, loaded: Loaded) -> int:
        """The number of parameters of the largest denoiser, of which ``loaded`` is one."""
        if len(self.sources) == 1:
            return loaded.size
        sizes = (self._size(part) for key in self.sources for part in self._parts(key) if part.name == "unet")
        return max(sizes) // self._bytes

    def fits(self, key: str, busy: Collection[str]) -> bool:
        """Whether ``key`` can be loaded beside the models ``busy``."""
        needed = {part for each in (key, *busy) for part in self._parts(each)}
        return not busy or key in self._failed or sum(map(self._size, needed)) <= self._budget

    def make_room(self, key: str, busy: Collection[str]) -> set[str]:
        """Let parts go until ``key`` can be loaded; returns the models that are not in memory any more."""
        needed = {part for each in (key, *busy) for part in self._parts(each)}
        missing = sum(self._size(part) for part in needed if part not in self._entries)
        used = sum(entry.bytes for entry in self._entries.values())
        for part in [part for part in self._entries if part not in needed]:
            if used + missing <= self._budget:
                break
            used -= self._entries.pop(part).bytes
        gone = {k for k in self._models if not all(p in self._entries for p in self._parts(k))}
        for each in gone:
            del self._models[each]
        return gone

    def read_ahead(self, upcoming: Iterable[str], busy: Collection[str]) -> set[str]:
        """Read the next model that is not in memory in a thread, if there is room; as ``make_room``."""
        key = next((k for k in upcoming if k not in self._models), None)
        if key is None or self._reading or key in self._failed:
            return set()
        host = self._settings.cuda  # read into the memory of the host, so it takes no room on the device
        if not host and not self.fits(key, busy):
            return set()
        gone = set() if host else self.make_room(key, busy)
        self._reading[key] = self._thread.submit(self._read, self.sources[key], self._missing(self.sources[key]))
        return gone

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._entries.clear()
        self._models.clear()
        self._reading.clear()

    def _load(self, source: Source) -> Loaded:
        """Wait for the modules of ``source``, which a thread reads, and wrap them."""
        read = self._reading.pop(source.key, None)
        for other in self._reading.values():
            other.cancel()
        modules = read.result() if read else {}
        missing = [part for part in self._missing(source) if part not in modules]
        modules |= self._thread.submit(self._read, source, missing).result() if missing else {}
        with torch.inference_mode(False):  # weights that are made in inference mode cannot be changed outside it
            try:
                for part, module in modules.items():
                    self._entries[part] = self._wrapped(part, module, source)
            except RuntimeError as e:
                if not is_out_of_memory(e) or not self._models:
                    raise
                raise RenderError(f"out of memory while the model was loaded: {reason(e)}") from e
            self._settings.stats.loads += 1
            texts, denoiser, vae, *nets = (self._entries[p].wrapped for p in self._parts(source.key))
            made = Loaded(source, self._settings, texts, denoiser, vae, tuple(nets))
            alike = f"{source.model.plain.key} {len(nets)}"
            made.exactness.tested = self._tested.setdefault(alike, made.exactness.tested)
            return made

    def _missing(self, source: Source) -> list[Part]:
        return [part for part in self._parts(source.key) if part not in self._entries]

    def _read(self, source: Source, parts: Sequence[Part]) -> dict[Part, Any]:
        """The modules of ``parts`` in the memory of the host, or of the device if that is not a GPU."""
        device = torch.device("cpu") if self._settings.cuda and self._models else self._settings.device.where
        with self._settings.stats.clock("merge" if source.model.loras else "load"):
            return {part: _loaded(part, source, device, self._settings.device.dtype) for part in parts}

    def _wrapped(self, part: Part, module: Any, source: Source) -> _Entry:
        settings = self._settings
        module = module.to(settings.device.where)
        size = sum(p.numel() * p.element_size() for p in module.parameters())
        self._sizes[part] = size
        if part.name == "text_encoder":
            return _Entry(settings.texts(module, source), size)
        if part.name == "controlnet":
            return _Entry(settings.controlnet(module), size)
        return _Entry(settings.denoiser(module) if part.name == "unet" else settings.vae(module), size)

    def _size(self, part: Part) -> int:
        """The bytes of a part: of one that was never loaded as its file says."""
        if part not in self._sizes:
            source = next(s for key, s in self.sources.items() if part in self._parts(key))
            self._sizes[part] = 0
            with suppress(ConfigError):  # loading it will say why
                self._sizes[part] = _parameters(part, source) * self._bytes
        return self._sizes[part]


def _loaded(part: Part, source: Source, device: torch.device, dtype: torch.dtype) -> Any:
    if part.name == "controlnet":
        return load_controlnet(part.of[0], source, device, dtype)
    return load_part(part.name, source, device, dtype)


def _parameters(part: Part, source: Source) -> int:
    return in_file(source.adapters[part.of[0]]) if part.name == "controlnet" else parameters(part.name, source)
