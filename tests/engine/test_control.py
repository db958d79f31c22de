"""ControlNets: pictures equal diffusers' pipelines, and rows with and without control do not see each other."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from PIL import Image

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.imaging.enlarge import lanczos
from sdbatch.media.control_picture import control_picture
from sdbatch.models.folders import digest_of
from sdbatch.motion.passes import passed
from sdbatch.pictures.read import pixels, read
from sdbatch.spec.control import Control
from sdbatch.spec.inputs import first_pass
from sdbatch.spec.jobs import Shot
from sdbatch.spec.passes import Pass
from sdbatch.spec.pictures import Init, InputPicture
from sdbatch.spec.renderer import Failure
from tests.engine.models import psnr, render, shot, source
from tests.engine.pipelines import SAME
from tests.samplers.reference import SCHEDULERS, SD15

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def lively(unet: Any, seed: int) -> Any:
    """A ControlNet for ``unet`` that changes its pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = ControlNetModel.from_unet(unet, conditioning_channels=3)
        for zero in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
            torch.nn.init.normal_(zero.weight, std=0.3)
        for conv in net.controlnet_cond_embedding.modules():
            if isinstance(conv, torch.nn.Conv2d):
                conv.weight.data.mul_(3)  # so that pictures differ
    return net.eval()


class Nets:
    """Two ControlNets of one model, their files, and pictures for them."""

    def __init__(self, unet: Any, folder: Path) -> None:
        self.modules = [lively(unet, seed) for seed in (1, 2)]
        self.files = []
        for i, net in enumerate(self.modules):
            net.save_pretrained(folder / f"net{i}")
            self.files.append(folder / f"net{i}" / "diffusion_pytorch_model.safetensors")
        self.digests = [digest_of(file) for file in self.files]
        rng = np.random.default_rng(0)
        self.pictures = []
        for i, size in enumerate(((64, 64), (80, 64), (48, 96))):
            blocks = rng.integers(0, 256, (4, 4, 3), np.uint8)
            Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(folder / f"{i}.png")
            self.pictures.append(read(folder / f"{i}.png"))

    def control(self, net: int = 0, picture: int = 0, **more: Any) -> Control:
        return Control(self.digests[net], self.pictures[picture], **more)


@pytest.fixture(scope="module")
def nets(pipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Nets:
    return Nets(pipe.unet, tmp_path_factory.mktemp("nets"))


@pytest.fixture(scope="module")
def controlling(folder: Path, nets: Nets) -> Any:
    files = dict(zip(nets.digests, nets.files, strict=True))
    return engine.open(source(folder, adapters=files), Runtime(device="cpu", threads=1, rows=4))


def seen(picture: InputPicture, preprocess: str = "none") -> Any:
    """The control picture as the pipelines take it."""
    made = control_picture(pixels(Path(picture.path), picture.digest), preprocess, (64, 64))
    return torch.tensor(made).permute(2, 0, 1)[None].float() / 255


def theirs(pipe: Any, nets: Nets, one: Shot) -> Any:
    name, settings = SCHEDULERS[one.sampler]
    scheduler = getattr(diffusers, name).from_config(diffusers.PNDMScheduler.from_config(SD15).config, **settings)
    chosen = [nets.modules[nets.digests.index(c.net)] for c in one.controls]
    single = len(chosen) == 1
    made = StableDiffusionControlNetPipeline(
        **pipe.components | {"scheduler": scheduler},
        controlnet=chosen[0] if single else chosen,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    images = [seen(c.picture, c.preprocess) for c in one.controls if c.picture]
    first = one.controls[0]
    return made(
        prompt=one.prompt,
        negative_prompt=one.negative,
        image=images[0] if single else images,
        num_inference_steps=one.steps,
        guidance_scale=one.guidance,
        controlnet_conditioning_scale=first.weight if single else [c.weight for c in one.controls],
        control_guidance_start=first.start if single else [c.start for c in one.controls],
        control_guidance_end=first.end if single else [c.end for c in one.controls],
        guess_mode=first.guess,
        generator=torch.Generator().manual_seed(one.seed),
    ).images[0]


def varied(nets: Nets) -> dict[str, Shot]:
    """Shots with one, two and no ControlNets, of two samplers, with different weights and intervals."""
    one = shot(prompt="red boat", negative="fog", steps=6)
    return {
        "euler": replace(one, controls=(nets.control(weight=0.7),)),
        "strong": replace(one, seed=2, controls=(nets.control(picture=1, weight=1.4),)),
        "dpmpp": replace(one, sampler="dpmpp_2m", controls=(nets.control(picture=2, weight=0.7),)),
        "dpmpp strong": replace(one, sampler="dpmpp_2m", seed=3, controls=(nets.control(picture=1, weight=1.4),)),
        "interval": replace(one, controls=(nets.control(start=0.2, end=0.7),)),
        "guess": replace(one, controls=(nets.control(guess=True),)),
        "unguided": replace(one, guidance=1.0, controls=(nets.control(picture=2),)),
        "heun": replace(one, sampler="heun", controls=(nets.control(end=0.5),)),
        "two": replace(one, controls=(nets.control(weight=0.7), nets.control(1, 1, weight=1.2, end=0.5))),
        "two, dpmpp": replace(one, sampler="dpmpp_2m", controls=(nets.control(1, 2), nets.control(0, 0, weight=0.5))),
        "plain": one,
        "plain, dpmpp": replace(one, sampler="dpmpp_2m", seed=4),
    }


@pytest.fixture(scope="module")
def together(controlling: Any, nets: Nets) -> dict[str, Any]:
    """All of ``varied`` in one run."""
    return render(controlling, varied(nets).values())


def test_pictures_equal_the_pipelines(controlling: Any, pipe: Any, nets: Nets, together: dict[str, Any]) -> None:
    for name, one in varied(nets).items():
        if one.controls:
            found = psnr(together[one.id].pixels, theirs(pipe, nets, one))
            assert found >= SAME, f"{name}: {found:.1f} dB"


def test_every_picture_of_a_call_has_its_own_control(together: dict[str, Any], pipe: Any, nets: Nets) -> None:
    """Others conditioned only the first picture of a batch."""
    shots = varied(nets)
    for name in ("strong", "dpmpp", "unguided"):
        other = replace(shots[name], controls=(replace(shots[name].controls[0], picture=nets.pictures[0]),))
        assert psnr(together[shots[name].id].pixels, theirs(pipe, nets, other)) < 30, name


def test_bits_are_equal_alone_and_in_company(
    controlling: Any, opened: Any, nets: Nets, together: dict[str, Any]
) -> None:
    shots = varied(nets)
    for name in ("strong", "interval", "guess", "two", "plain"):
        alone = render(controlling, [shots[name]])[shots[name].id]
        assert np.array_equal(alone.pixels, together[shots[name].id].pixels), name
    backwards = render(controlling, reversed(shots.values()))
    assert all(np.array_equal(backwards[i].pixels, together[i].pixels) for i in together)
    without = render(opened, [shots["plain"]])[shots["plain"].id]  # an engine that knows no ControlNets
    assert np.array_equal(without.pixels, together[shots["plain"].id].pixels)


def test_a_second_pass_is_controlled_by_the_first_picture(controlling: Any, nets: Nets, tmp_path: Path) -> None:
    """As if the enlarged picture had been given; the first pass, which starts from noise, is the plain picture."""
    wanted = replace(shot(seed=5), controls=(nets.control(1, weight=0.8), Control(nets.digests[0], None, weight=1.2)))
    first, (second,) = first_pass(wanted), passed(wanted, (Pass(1.5, 0.6, 4),))
    assert first == replace(wanted, controls=wanted.controls[:1])
    ours = render(controlling, [second, shot(seed=2), first])
    Image.fromarray(lanczos(ours[first.id].pixels, (96, 96))).save(tmp_path / "first.png")
    given = replace(wanted.controls[1], picture=read(tmp_path / "first.png"))
    same = replace(second, controls=(wanted.controls[0], given))
    without = replace(second, controls=wanted.controls[:1])
    more = render(controlling, [first, same, without])
    assert np.array_equal(ours[second.id].pixels, more[same.id].pixels)
    assert not np.array_equal(ours[second.id].pixels, more[without.id].pixels)


def test_image_to_image_is_controlled_by_its_picture(controlling: Any, nets: Nets) -> None:
    start = Init(nets.pictures[1], 0.7)
    ours = replace(shot(), init=start, controls=(Control(nets.digests[0], None),))
    given = replace(ours, controls=(nets.control(picture=1),))
    found = render(controlling, [ours, given])
    assert np.array_equal(found[ours.id].pixels, found[given.id].pixels)


def test_a_control_that_never_works_changes_nothing(controlling: Any, nets: Nets, together: dict[str, Any]) -> None:
    """Zero residuals are exact: in calls that a ControlNet computes, and in those without one."""
    plain = varied(nets)["plain"]
    never = replace(plain, controls=(nets.control(start=0.9, end=0.95),))
    beside = replace(plain, seed=9, controls=(nets.control(),))
    for shots in ([never], [never, beside]):
        found = render(controlling, shots)[never.id]
        assert np.array_equal(found.pixels, together[plain.id].pixels)


def test_a_picture_is_embedded_once(controlling: Any, nets: Nets, monkeypatch: pytest.MonkeyPatch) -> None:
    from sdbatch.engine.control import ControlNet

    embedded: list[Any] = []
    true = ControlNet.embed
    monkeypatch.setattr(ControlNet, "embed", lambda self, x: embedded.append(x) or true(self, x))
    one = shot(steps=8, controls=(nets.control(),))
    render(controlling, [one])
    assert len(embedded) == 1


def test_lanes_are_of_one_set_of_nets(controlling: Any, nets: Nets) -> None:
    shots = varied(nets)
    keys = {name: controlling.bucket(one).weights for name, one in shots.items()}
    assert keys["euler"] == keys["guess"] != keys["plain"]
    assert len({keys["euler"], keys["two"], keys["two, dpmpp"], keys["plain"]}) == 4


def test_unknown_and_foreign_nets_fail_their_shots(folder: Path, nets: Nets, controlling: Any, tmp_path: Path) -> None:
    from tests.engine.models import UNET

    wide = copy.deepcopy(UNET) | {"block_out_channels": (32, 96)}
    other = lively(diffusers.UNet2DConditionModel(**wide), 3)
    other.save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    found = engine.open(source(folder, adapters={"b2:other": file}), Runtime(device="cpu", threads=1, rows=4))
    one = shot(steps=1, controls=(Control("b2:other", nets.pictures[0]),))
    unknown = shot(steps=1, controls=(Control("b2:none", nets.pictures[0], name="canny"),))
    results = render(found, [one, shot(steps=1)])
    failure = results[one.id]
    assert isinstance(failure, Failure)
    assert "is a ControlNet for another architecture" in failure.error
    assert not isinstance(results[shot(steps=1).id], Failure)
    with pytest.raises(Exception, match="the ControlNet canny is not known in this run"):
        found.bucket(unknown)
