"""Init images: a user's picture, or an earlier one seen through a camera, colour-matched; encoded; and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from sdbatch.engine.decode import Vae
from sdbatch.engine.denoise import InitLatent
from sdbatch.engine.host import to_device
from sdbatch.imaging.colour_transfer import match_colours
from sdbatch.imaging.warp import coverage, warp
from sdbatch.pictures.fit import fitted, opaque
from sdbatch.spec.canvas import Size, crop, latent
from sdbatch.spec.jobs import Camera, Shot, Start
from sdbatch.spec.passes import LATENT, Upscaler
from sdbatch.spec.pictures import Init
from sdbatch.spec.renderer import Feed, Pixels

Enlarge = Callable[[Pixels, tuple[int, int], Upscaler], Pixels]
FEATHER = 1 / 24  # width of the blend between new and known parts, as a fraction of the shorter side


@dataclass(frozen=True, slots=True)
class InitImage:
    """The picture that a shot starts from, at its exact size; ``cover`` (height, width) is 1 where it is kept.

    ``latent``: the picture has another size, and its latent is enlarged.
    """

    pixels: Pixels
    cover: NDArray[np.float32] | None
    latent: bool = False

    def paste(self, picture: Pixels) -> Pixels:
        """``picture`` with the known part restored, so that it does not degrade along a chain."""
        if self.cover is None:
            return picture
        share = self.cover[..., None]
        return np.rint(self.pixels * share + picture * (1 - share)).astype(np.uint8)

    def known(self, shot: Shot, vae: Vae, device: torch.device) -> InitLatent:
        """The latent, and the mask (1 where new), on the shot's latent grid."""
        scale = shot.model.scale
        if self.latent:
            return InitLatent(self._larger(shot, vae))
        z = vae.encode(to_grid(self.pixels, shot))
        if self.cover is None:
            return InitLatent(z)
        grid = to_grid(self.cover, shot)
        h, w = grid.shape[0] // scale, grid.shape[1] // scale
        share = grid.reshape(h, scale, w, scale).mean((1, 3))
        return InitLatent(z, to_device(torch.tensor(1 - share, dtype=torch.float32), device)[None])

    def _larger(self, shot: Shot, vae: Vae) -> torch.Tensor:
        """The latent of the picture, enlarged to that of ``shot`` by bicubic interpolation."""
        height, width, _ = self.pixels.shape
        z = vae.encode(to_grid(self.pixels, replace(shot, width=width, height=height)))
        size = latent(Size(shot.width, shot.height), shot.model.scale)
        return F.interpolate(z[None], size=size, mode="bicubic", align_corners=False)[0].contiguous()


def init_image(shot: Shot, feed: Feed, enlarge: Enlarge) -> InitImage | None:
    """What ``shot`` starts from; None: noise. Raises RenderError if a picture cannot be read."""
    if shot.start is not None:
        return _of_parent(shot, shot.start, feed, enlarge)
    return None if shot.init is None else _of_user(shot, shot.init, feed)


def _of_user(shot: Shot, init: Init, feed: Feed) -> InitImage:
    """The user's picture at the shot's size."""
    return InitImage(opaque(fitted(feed.input(init.picture), (shot.width, shot.height), init.resize)), None)


def _of_parent(shot: Shot, start: Start, feed: Feed, enlarge: Enlarge) -> InitImage:
    """The parent's picture, seen through the camera at the shot's size, with the inlay over it if there is one."""
    parent = feed.picture(start.parent)
    size = (shot.width, shot.height)
    if start.upscaler is not None:
        if start.upscaler.method == LATENT:
            return InitImage(parent, None, latent=True)
        return InitImage(enlarge(parent, size, start.upscaler), None)
    pixels = warp(parent, start.camera, size)
    if start.colours:
        pixels = match_colours(pixels, feed.picture(start.colours))
    if start.inlay is not None:
        inner = feed.picture(start.inlay.shot)
        cover = _cover(inner, start.inlay.camera, size)
        around = InitImage(warp(inner, start.inlay.camera, size), cover)
        return InitImage(around.paste(pixels), cover)
    return InitImage(pixels, _cover(parent, start.camera, size) if start.paint else None)


def _cover(source: Pixels, camera: Camera, size: tuple[int, int]) -> NDArray[np.float32]:
    """The coverage (height, width) of the frame by a picture, 0 to 1, with a feathered edge."""
    return coverage(camera, (source.shape[1], source.shape[0]), size, min(size) * FEATHER)


def to_grid(values: NDArray[Any], shot: Shot) -> NDArray[Any]:
    """Pad ``values`` (height, width, …) from the exact size to the latent grid by repeating edges."""
    size, scale = Size(shot.width, shot.height), shot.model.scale
    h, w = latent(size, scale)
    left, top, right, bottom = crop(size, scale)
    margins = [(top, h * scale - bottom), (left, w * scale - right)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, margins, mode="edge")
