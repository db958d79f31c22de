"""The autoencoder in tiles: the numbers of the whole, less memory, chosen by size alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch.engine import tiles
from sdbatch.engine.nets.vae import Autoencoder
from tests.engine.models import shot

SMALL = {"block_out_channels": (8, 8, 16), "layers_per_block": 1, "norm_num_groups": 4}


@pytest.fixture(scope="module")
def net() -> Autoencoder:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return Autoencoder(SMALL).eval().requires_grad_(False)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "WHOLE", 16 * 16)
    monkeypatch.setattr(tiles, "TILE", 32)


@pytest.mark.parametrize("size", [(20, 28), (32, 16), (25, 33)])
@torch.inference_mode()
def test_a_decode_in_tiles_is_that_of_the_whole(net: Autoencoder, small_tiles: None, size: tuple[int, int]) -> None:
    """Within 1/255, also at the seams: there are none."""
    z = torch.randn(1, 4, *size, generator=torch.Generator().manual_seed(1))
    whole, found = net.decode(z).sample, tiles.decode(net, z)
    assert found.shape == whole.shape == (1, 3, size[0] * 4, size[1] * 4)
    assert float((found - whole).abs().max()) * 127.5 < 0.2
    assert float(whole.std()) > 0.1


@torch.inference_mode()
def test_an_encode_in_tiles_is_that_of_the_whole(net: Autoencoder, small_tiles: None) -> None:
    x = torch.rand(1, 3, 80, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1
    whole, found = net.encode(x).latent_dist.mode(), tiles.encode(net, x)
    assert found.shape == whole.shape
    assert float((found - whole).abs().max()) < 1e-3 * float(whole.abs().max())


@torch.inference_mode()
def test_norms_of_single_tiles_would_not_do(net: Autoencoder, small_tiles: None) -> None:
    """What the passes for statistics are for: bright and dark halves."""
    z = torch.randn(1, 4, 24, 24, generator=torch.Generator().manual_seed(1))
    z[..., :12] *= 3
    whole = net.decode(z).sample
    halves = torch.cat([net.decode(z[..., :12]).sample, net.decode(z[..., 12:]).sample], dim=3)
    assert float((halves - whole).abs().max()) * 127.5 > 10
    assert float((tiles.decode(net, z) - whole).abs().max()) * 127.5 < 0.2


def test_the_size_decides() -> None:
    sd15 = torch.nn.Module()
    assert not tiles.needed(sd15, 1024, 1024)  # another network
    with torch.device("meta"):
        sd15 = Autoencoder({"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2})
    assert not tiles.needed(sd15, 128, 128)  # 1024 x 1024 pixels
    assert tiles.needed(sd15, 160, 160)
    assert not tiles.needed(sd15.half(), 160, 160)
    assert tiles.needed(sd15.half(), 256, 256)


def test_pictures_are_decoded_in_tiles_with_equal_bits(
    opened: Any, small_tiles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = opened.main.vae
    latents = [torch.randn(4, 24, 32, generator=torch.Generator().manual_seed(n)) for n in range(2)]
    pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    with torch.inference_mode():
        whole = [decoded.take()[0] for decoded in vae.decode(latents, 2)]
        encoded = vae.encode(pixels)
        monkeypatch.setattr(tiles, "LIMIT", 0)
        found = [decoded.take()[0] for decoded in vae.decode(latents, 2)]
        alone = vae.decode(latents[1:], 4)[0].take()[0]
        assert torch.allclose(vae.encode(pixels), encoded, atol=1e-3)
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(found, whole, strict=True))
    assert np.array_equal(found[1], alone)
    assert not tiles.needed(None, shot().height, shot().width)


MEMORY = """
import re, torch
from pathlib import Path
from sdbatch.engine import tiles
from sdbatch.engine.nets.vae import Autoencoder

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

torch.set_num_threads(1)
net = Autoencoder({"block_out_channels": (16, 32), "norm_num_groups": 4}).eval().requires_grad_(False)
net.to(memory_format=torch.channels_last)
net.decoder.mid_block = torch.nn.Identity()
z = torch.randn(1, 4, 256, 256).contiguous(memory_format=torch.channels_last)
tiles.WHOLE, tiles.TILE = 0, 64
with torch.inference_mode():
    tiles.decode(net, z[..., :32, :32])
    before = peak()
    tiles.decode(net, z)
    tiled = peak() - before
    net.decode(z)
print(tiled, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_tiles_need_a_fraction_of_the_memory() -> None:
    out = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True).stdout
    tiled, whole = map(int, out.split())
    assert tiled < whole / 4, out
