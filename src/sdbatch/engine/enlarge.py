"""Enlarges pictures: by Lanczos, or with a network in tiles, so that memory does not grow with the picture.

A tile is computed with the pixels around it as far as they matter, and only its middle is kept. A network is applied
until the picture is large enough; Lanczos makes it the exact size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from sdbatch.engine.host import to_device
from sdbatch.engine.load import read
from sdbatch.engine.nets.upscaler import Compact, Rrdb, build
from sdbatch.engine.spans import spans
from sdbatch.errors import ConfigError, RenderError
from sdbatch.imaging.enlarge import lanczos
from sdbatch.models.folders import digest_of
from sdbatch.spec.passes import Upscaler
from sdbatch.spec.renderer import Pixels

TILE = 192  # pixels of a tile before it is enlarged, without those around it
KEPT = 2  # networks in memory


class Enlarger:
    """``files``: where the networks are, by digest. They compute in fp32."""

    def __init__(self, files: Mapping[str, Path], device: torch.device) -> None:
        self._files = files
        self._device = device
        self._nets: OrderedDict[str, Compact | Rrdb] = OrderedDict()

    def __call__(self, pixels: Pixels, size: tuple[int, int], upscaler: Upscaler) -> Pixels:
        """``pixels`` at ``size`` (width, height). Raises RenderError and ConfigError for a file that cannot be used."""
        if upscaler.is_network:
            net = self._net(upscaler)
            while net.scale > 1 and (pixels.shape[1] < size[0] or pixels.shape[0] < size[1]):
                pixels = self._enlarged(net, pixels)
        return lanczos(pixels, size)

    def _net(self, upscaler: Upscaler) -> Compact | Rrdb:
        digest = upscaler.method
        if digest not in self._nets:
            self._nets[digest] = self._load(upscaler)
            if len(self._nets) > KEPT:
                self._nets.popitem(last=False)
        self._nets.move_to_end(digest)
        return self._nets[digest]

    def _load(self, upscaler: Upscaler) -> Compact | Rrdb:
        path = self._files.get(upscaler.method)
        if path is None or not path.is_file():
            text = f"the upscaler {upscaler} ({upscaler.method}) is missing; name its folder: upscaler_folders"
            raise RenderError(text)
        if digest_of(path) != upscaler.method:
            raise RenderError(f"the upscaler {path.name!r} has been changed since the plan was made")
        try:
            net = build(read(path))
        except ValueError as e:
            raise ConfigError.one("hires.upscaler", f"{path.name!r}: {e}") from e
        return net.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]

    def _enlarged(self, net: Compact | Rrdb, pixels: Pixels) -> Pixels:
        """``pixels``, ``net.scale`` times as large."""
        height, width, _ = pixels.shape
        out = np.empty((height * net.scale, width * net.scale, 3), np.uint8)
        for rows in spans(height, TILE, net.reach):
            for columns in spans(width, TILE, net.reach):
                made = self._compute(net, pixels[rows.around, columns.around])
                inside = made[rows.inside(net.scale), columns.inside(net.scale)]
                out[rows.place(net.scale), columns.place(net.scale)] = inside
        return out

    @torch.inference_mode()
    def _compute(self, net: Compact | Rrdb, pixels: Pixels) -> Pixels:
        x = to_device(torch.tensor(pixels), self._device).permute(2, 0, 1)[None].float() / 255
        made = net(x.contiguous(memory_format=torch.channels_last))[0]
        found: Pixels = (made.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return found
