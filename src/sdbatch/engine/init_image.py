"""Init images: a user's picture, or an earlier one seen through a camera, colour-matched; encoded; and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from sdbatch.engine.decode import Vae
from sdbatch.engine.denoise import InitLatent
from sdbatch.engine.host import to_device
from sdbatch.imaging.colour_transfer import match_colours
from sdbatch.imaging.warp import coverage, warp
from sdbatch.pictures.fit import mixed
from sdbatch.pictures.masks import cut, filled, painted, prepared, put
from sdbatch.spec.canvas import Size, crop, latent
from sdbatch.spec.cost import rendered
from sdbatch.spec.jobs import Shot
from sdbatch.spec.passes import LATENT, Upscaler
from sdbatch.spec.pictures import Area, Init
from sdbatch.spec.renderer import Feed, Pixels
from sdbatch.spec.start import Camera, Start

Enlarge = Callable[[Pixels, tuple[int, int], Upscaler], Pixels]
GREY = 127.5
FEATHER = 1 / 24  # width of the blend between new and known parts, as a fraction of the shorter side


class Whole(NamedTuple):
    """A picture of which only ``area`` is rendered, and its cover."""

    pixels: Pixels
    cover: NDArray[np.float32]
    area: Area


@dataclass(frozen=True, slots=True)
class InitImage:
    """The picture that a shot starts from, at the size at which it is rendered.

    ``cover`` (height, width) is 1 where it is kept. ``under``: another picture with which painting begins; it begins
    with nothing if ``blank``. ``whole``: the picture that it is a part of. ``latent``: the picture has another size,
    and its latent is enlarged.
    """

    pixels: Pixels
    cover: NDArray[np.float32] | None
    latent: bool = False
    blank: bool = False
    whole: Whole | None = None
    under: Pixels | None = None

    @property
    def unchanged(self) -> Pixels:
        """The result without any painting."""
        return self.whole.pixels if self.whole else self.pixels

    def paste(self, picture: Pixels) -> Pixels:
        """``picture`` with the known part restored, so that it does not degrade along a chain."""
        cover, known = self.cover, self.pixels
        if self.whole is not None:
            known, cover, area = self.whole
            picture = put(picture, area, known)
        if cover is None:
            return picture
        share = cover[..., None]
        return np.rint(known * share + picture * (1 - share)).astype(np.uint8)

    def known(self, shot: Shot, vae: Vae, device: torch.device) -> InitLatent:
        """The latent, and the mask (1 where new), on the shot's latent grid."""
        scale = shot.model.scale
        if self.latent:
            return InitLatent(self._larger(shot, vae))
        z = vae.encode(to_grid(self.pixels if self.under is None else self.under, shot))
        if self.cover is None:
            return InitLatent(z)
        grid = to_grid(self.cover, shot)
        h, w = grid.shape[0] // scale, grid.shape[1] // scale
        share = grid.reshape(h, scale, w, scale).mean((1, 3))
        mask = to_device(torch.tensor(1 - share, dtype=torch.float32), device)[None]
        return InitLatent(z, mask, self.blank)

    def seen(self, shot: Shot, vae: Vae, device: torch.device) -> torch.Tensor:
        """What an inpainting model sees (C + 1, h, w): the mask, and the latent of the picture, grey under the mask.

        Of a picture of another size nothing is kept.
        """
        if self.latent:
            return nothing(shot).seen(shot, vae, device)
        scale = shot.model.scale
        cover = np.zeros(self.pixels.shape[:2], np.float32) if self.cover is None else self.cover
        painted = to_grid(cover, shot) <= 0.5
        h, w = painted.shape[0] // scale, painted.shape[1] // scale
        cells = painted.reshape(h, scale, w, scale).mean((1, 3)) >= 0.5
        kept = np.where(painted[..., None], np.float32(GREY), to_grid(self.pixels, shot).astype(np.float32))
        mask = to_device(torch.tensor(cells, dtype=torch.float32), device)[None]
        return torch.cat([mask, vae.encode(kept)])

    def _larger(self, shot: Shot, vae: Vae) -> torch.Tensor:
        """The latent of the picture, enlarged to that of ``shot`` by bicubic interpolation."""
        height, width, _ = self.pixels.shape
        z = vae.encode(to_grid(self.pixels, replace(shot, width=width, height=height)))
        size = latent(Size(shot.width, shot.height), shot.model.scale)
        return F.interpolate(z[None], size=size, mode="bicubic", align_corners=False)[0].contiguous()


def nothing(shot: Shot) -> InitImage:
    """A picture of which nothing is kept, at the size of ``shot``."""
    size = rendered(shot)
    return InitImage(np.zeros((size.height, size.width, 3), np.uint8), None)


def init_image(shot: Shot, feed: Feed, enlarge: Enlarge) -> InitImage | None:
    """What ``shot`` starts from; None: noise. Raises RenderError if a picture cannot be read."""
    if shot.start is not None:
        return _of_parent(shot, shot.start, feed, enlarge)
    return None if shot.init is None else _of_user(shot, shot.init, feed)


def _of_user(shot: Shot, init: Init, feed: Feed) -> InitImage:
    """The user's picture at the shot's size, or the area of it that is painted."""
    pixels, part = prepared(init, (shot.width, shot.height), feed.input)
    if part is None or init.mask is None:
        return InitImage(pixels, None)
    content, area, cover = init.mask.content, init.mask.area, _kept(part)
    blank, under = content == "nothing", filled(pixels, part) if content == "fill" else None
    if area is None:
        return InitImage(pixels, cover, blank=blank, under=under)
    inner, whole = _kept(cut(part, area)), Whole(pixels, cover, area)
    below = None if under is None else cut(under, area)
    return InitImage(cut(pixels, area), inner, blank=blank, whole=whole, under=below)


def _kept(part: NDArray[np.uint8]) -> NDArray[np.float32]:
    return 1 - part.astype(np.float32) / np.float32(255)


def visible(pixels: Pixels, shot: Shot) -> Pixels:
    """The part of ``pixels``, at the shot's size, that is rendered."""
    area = shot.init.mask.area if shot.init and shot.init.mask else None
    return cut(pixels, area) if area else pixels


def _of_parent(shot: Shot, start: Start, feed: Feed, enlarge: Enlarge) -> InitImage:
    """The parent's picture, seen through the camera at the shot's size, with the inlay over it if there is one."""
    parent = feed.picture(start.parent)
    size = (shot.width, shot.height)
    if start.upscaler is not None:
        if start.upscaler.method == LATENT:
            return InitImage(parent, None, latent=True)
        larger, within = enlarge(parent, size, start.upscaler), start.within
        if within is None or within.mask is None:
            return InitImage(larger, None)
        return InitImage(larger, _kept(painted(within, within.mask, size, feed.input)))
    pixels = warp(parent, start.camera, size)
    if start.colours:
        pixels = match_colours(pixels, feed.picture(start.colours))
    if start.follow is not None:
        pixels = mixed(pixels, start.follow, feed.input)
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
    """Pad ``values`` (height, width, …) from the size that is rendered to the latent grid by repeating edges."""
    size, scale = rendered(shot), shot.model.scale
    h, w = latent(size, scale)
    left, top, right, bottom = crop(size, scale)
    margins = [(top, h * scale - bottom), (left, w * scale - right)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, margins, mode="edge")
