"""Second passes by the engine: diffusers' numbers, equal bits in any company, and networks that enlarge in tiles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import enlarge
from sdbatch.engine.enlarge import Enlarger
from sdbatch.engine.nets.upscaler import Compact, Rrdb, build
from sdbatch.errors import RenderError
from sdbatch.imaging.enlarge import lanczos
from sdbatch.models import upscalers
from sdbatch.models.folders import digest_of
from sdbatch.models.source import SHIPPED
from sdbatch.motion.passes import passed
from sdbatch.spec.jobs import Shot
from sdbatch.spec.passes import LATENT, Pass, Upscaler
from sdbatch.spec.renderer import Bucket, Picture, Pixels
from tests.engine.models import ListFeed, psnr, render, shot, source
from tests.engine.pipelines import SAME
from tests.samplers.reference import SCHEDULERS, SD15

TINY = SHIPPED / "upscaler" / "tiny-2x.safetensors"
NETWORK = Upscaler(digest_of(TINY), "tiny-2x")
CPU = torch.device("cpu")


def noise(height: int, width: int) -> Pixels:
    small = np.random.default_rng(3).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return lanczos(small, (width, height))


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize("method", ["lanczos", LATENT])
@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m"])
def test_a_second_pass_equals_the_pipeline(opened: Any, pipe: Any, sampler: str, method: str) -> None:
    """diffusers' image to image from the same first picture, which has the encoder's mean instead of a sample."""
    first = shot(seed=9, sampler=sampler)
    (second,) = passed(first, (Pass(1.5, 0.5, 4, Upscaler(method)),))
    ours = render(opened, [second, first])
    picture = ours[first.id].pixels

    def encoded(pixels: Pixels) -> torch.Tensor:
        x = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.no_grad():
            z: torch.Tensor = pipe.vae.encode(x).latent_dist.mode() * pipe.vae.config.scaling_factor
        return z

    if method == LATENT:
        z = F.interpolate(encoded(picture), size=(12, 12), mode="bicubic", align_corners=False)
    else:
        z = encoded(lanczos(picture, (96, 96)))
    name, settings = SCHEDULERS[sampler]
    pipe.scheduler = getattr(diffusers, name).from_config(diffusers.PNDMScheduler.from_config(SD15).config, **settings)
    inner = diffusers.StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    inner.set_progress_bar_config(disable=True)
    call = {"prompt": first.prompt, "negative_prompt": "", "guidance_scale": 6.0, "strength": 0.5}
    generator = torch.Generator().manual_seed(first.seed)
    theirs = inner(image=z, num_inference_steps=second.steps, generator=generator, **call).images[0]
    assert ours[second.id].pixels.shape == (96, 96, 3)
    assert psnr(ours[second.id].pixels, theirs) >= SAME


def test_bits_are_equal_alone_and_in_company(folder: Path) -> None:
    opened = engine.open(source(folder, adapters={NETWORK.method: TINY}), Runtime(device="cpu", threads=1, rows=4))
    both = (Pass(1.5, 0.6, 3), Pass(2, upscaler=NETWORK))
    firsts = [shot(sampler=s, seed=n) for n, s in enumerate(("euler_a", "dpmpp_2m_karras", "lcm"))]
    jobs = [[first, *passed(first, both)] for first in firsts]
    jobs.append([firsts[0], *passed(firsts[0], (Pass(2, 0.5, 2, NETWORK),))])
    jobs.append([firsts[1], *passed(firsts[1], (Pass(1.5, 0.5, 2, Upscaler(LATENT)),))])
    every = list(dict.fromkeys(shot for job in reversed(jobs) for shot in reversed(job)))
    together = render(opened, every)
    assert len(together) == len(every)
    for job in jobs:
        alone = render(opened, job)
        for one in job:
            assert np.array_equal(alone[one.id].pixels, together[one.id].pixels), one.start
    last = jobs[0][-1]
    expected = Enlarger({NETWORK.method: TINY}, CPU)(together[jobs[0][1].id].pixels, (192, 192), NETWORK)
    assert np.array_equal(together[last.id].pixels, expected)


def test_upscaling_alone_hands_out_one_picture_at_a_time(opened: Any) -> None:
    """So a plan of enlargements needs the memory of one."""
    first = shot()
    shots = [next(passed(first, (Pass(1 + n / 8),))) for n in range(1, 5)] + [replace(first, seed=7)]
    taken: list[Shot] = []

    class Counting(ListFeed):
        def take(self, bucket: Bucket | None = None, but: Any = ()) -> Shot | None:
            found = super().take(bucket, but)
            taken.extend([found] if found else [])
            return found

    feed = Counting(shots, opened.bucket)
    feed.pictures[first.id] = noise(64, 64)
    left = 0
    for result in opened.render(feed):
        left += 1
        assert isinstance(result, Picture)
        assert len([s for s in taken if s.start]) - left <= 1
    assert left == 5


def new_names(net: Rrdb) -> dict[str, torch.Tensor]:
    """As Real-ESRGAN publishes them."""
    return {re.sub(r"conv_up\.(\d)", lambda m: f"conv_up{int(m[1]) + 1}", k): v for k, v in net.state_dict().items()}


def bsrgan_names(net: Rrdb) -> dict[str, torch.Tensor]:
    out = {}
    for name, value in net.state_dict().items():
        name = re.sub(r"^body\.(\d+)\.rdb", r"RRDB_trunk.\1.RDB", name)  # noqa: PLW2901
        name = re.sub(r"^conv_up\.(\d)", lambda m: f"upconv{int(m[1]) + 1}", name)  # noqa: PLW2901
        out[name.replace("conv_body", "trunk_conv").replace("conv_hr", "HRconv")] = value
    return out


def old_names(net: Rrdb) -> dict[str, torch.Tensor]:
    """As the first ESRGAN publishes them: a sequence, in which upsampling and activations have no weights."""
    blocks, ups = len(net.body), len(net.conv_up)
    places = {f"conv_up.{n}": f"model.{3 * n + 3}" for n in range(ups)}
    places |= {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    places |= {"conv_hr": f"model.{3 * ups + 2}", "conv_last": f"model.{3 * ups + 4}"}
    out = {}
    for name, value in net.state_dict().items():
        owner, _, kind = name.rpartition(".")
        block = re.fullmatch(r"body\.(\d+)\.rdb(\d)\.(conv\d)", owner)
        out[f"model.1.sub.{block[1]}.RDB{block[2]}.{block[3]}.0.{kind}" if block else f"{places[owner]}.{kind}"] = value
    return out


@pytest.mark.parametrize("layout", [new_names, bsrgan_names, old_names])
@pytest.mark.parametrize(("ups", "unshuffle", "scale"), [(2, 1, 4), (1, 1, 2), (2, 2, 2), (0, 1, 1)])
@torch.inference_mode()
def test_esrgan_is_read_in_every_layout(layout: Any, ups: int, unshuffle: int, scale: int) -> None:
    torch.manual_seed(0)
    net = Rrdb(8, 4, 2, ups, unshuffle)
    state = layout(net)
    made = build(state)
    x = torch.rand(1, 3, 9, 11)
    assert torch.equal(made(x), net(x))
    assert made(x).shape == (1, 3, 9 * scale, 11 * scale)
    assert upscalers.scale({name: tuple(t.shape) for name, t in state.items()}) == made.scale == scale


@torch.inference_mode()
def test_compact_is_read_and_starts_from_the_enlarged_picture() -> None:
    torch.manual_seed(0)
    net = Compact(8, 3, 4)
    state = {f"module.{k}": v.half() for k, v in net.state_dict().items()}
    x = torch.rand(1, 3, 9, 11)
    assert torch.allclose(build(state)(x), net(x), atol=1e-2)
    for name, value in state.items():
        if name.startswith("module.body.8."):
            value.zero_()
    assert torch.equal(build(state)(x), F.interpolate(x, scale_factor=4, mode="nearest"))
    assert upscalers.scale({name: tuple(t.shape) for name, t in state.items()}) == 4


def other_states() -> Iterator[tuple[dict[str, torch.Tensor], str]]:
    yield {"lora_unet_x.lora_down.weight": torch.zeros(4, 4)}, "it is a LoRA"
    yield {"model.diffusion_model.x": torch.zeros(1)}, "it is a Stable Diffusion checkpoint"
    yield {"block_1.c1_r.sk.weight": torch.zeros(1)}, "it is SPAN"
    yield {k: v for k, v in Compact(8, 2, 2).state_dict().items() if "body.2" not in k}, "of another shape"
    yield {"body.0.weight": torch.zeros(8, 1, 3, 3), "body.1.weight": torch.zeros(8)}, "of another shape"
    yield {}, "is not an upscaler that is known here"


def test_files_of_other_networks_are_named() -> None:
    for state, said in other_states():
        with pytest.raises(ValueError, match=said):
            upscalers.scale({name: tuple(t.shape) for name, t in state.items()})
        with pytest.raises((ValueError, IndexError)):
            build(state)


def test_tiles_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Compact network sees less far than the margin of a tile; of ESRGAN 1/255 is what is beyond it."""
    pixels = noise(160, 136)
    torch.manual_seed(0)
    rrdb = Rrdb(16, 8, 3, 1).eval().requires_grad_(False)
    for net, bound in ((build_shipped(), 0), (rrdb, 1)):
        found = Enlarger({}, CPU)
        whole = found._enlarged(net, pixels)
        monkeypatch.setattr(enlarge, "TILE", 64)
        tiled = found._enlarged(net, pixels)
        monkeypatch.undo()
        assert tiled.shape == (320, 272, 3)
        difference = np.abs(tiled.astype(int) - whole)
        assert difference.max() <= max(bound, 1)
        assert (difference > bound).mean() < 1e-3  # sums in another order round differently


def build_shipped() -> Compact | Rrdb:
    from safetensors.torch import load_file

    return build(load_file(TINY))


def test_networks_double_until_the_picture_is_large_enough() -> None:
    found = Enlarger({NETWORK.method: TINY}, CPU)
    pixels = noise(24, 40)
    four = found(pixels, (160, 96), NETWORK)
    assert np.array_equal(four, found(found(pixels, (80, 48), NETWORK), (160, 96), NETWORK))
    three = found(pixels, (120, 72), NETWORK)
    assert np.array_equal(three, lanczos(four, (120, 72)))


def test_a_file_that_is_missing_or_changed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({k: v.contiguous() for k, v in Compact(4, 1, 2).state_dict().items()}, file)
    upscaler = Upscaler(digest_of(file), "x")
    with pytest.raises(RenderError, match="is missing; name its folder: upscaler_folders"):
        Enlarger({}, CPU)(noise(8, 8), (16, 16), upscaler)
    save_file({k: v.contiguous() for k, v in Compact(4, 2, 2).state_dict().items()}, file)
    with pytest.raises(RenderError, match="has been changed since the plan was made"):
        Enlarger({upscaler.method: file}, CPU)(noise(8, 8), (16, 16), upscaler)


def test_the_embedded_upscaler_beats_lanczos_on_the_models_pictures() -> None:
    """Of a scene of 256 pixels that training did not see: nearer to the one drawn at 512, with sharper edges."""
    from training.painter import paint
    from training.scene import draw_scene
    from training.second.sharpness import edge_width
    from training.upscaler import FIRST_SEED, half

    assert TINY.stat().st_size < 2**20
    large = paint(draw_scene(FIRST_SEED + 2), 4)
    small = half(large)
    size = (large.shape[1], large.shape[0])
    ours, theirs = Enlarger({NETWORK.method: TINY}, CPU)(small, size, NETWORK), lanczos(small, size)
    assert psnr(ours, large) > psnr(theirs, large) + 1
    assert edge_width(ours) < edge_width(theirs) - 1
