"""Several models in one run: each is loaded once, within a budget, and bits do not depend on the others."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import load, sizes, weights
from sdbatch.engine.denoise import guide
from sdbatch.models.source import Source
from sdbatch.samplers import NoiseSchedule
from sdbatch.spec.jobs import Model, Shot
from sdbatch.spec.renderer import Failure, Picture
from tests.engine.models import render, save, shot, source

CPU = Runtime(device="cpu", threads=1, workers=2, rows=4)
ONE = CPU.model_copy(update={"weights": 1e-6})  # GiB: no two models fit


@pytest.fixture(scope="module")
def sources(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Three models, and the first one with the VAE of the second."""
    folders = [folder, *(save(tmp_path_factory.mktemp("sd"), seed) for seed in (1, 2))]
    found = [source(f, model=Model(f"b2:{n}")) for n, f in enumerate(folders)]
    other = replace(found[0], model=Model("b2:0", vae="b2:1"), vae=folders[1] / "vae")
    return [*found, other]


def shots(sources: Sequence[Source], count: int = 3, **changes: Any) -> list[Shot]:
    """``count`` shots of each model, in turns."""
    return [shot(model=s.model, seed=i, steps=2 + i % 3, **changes) for i in range(count) for s in sources]


def pixels(results: Any) -> dict[str, bytes]:
    assert all(isinstance(result, Picture) for result in results.values()), results
    return {key: result.pixels.tobytes() for key, result in results.items()}


@pytest.mark.parametrize("runtime", [CPU, ONE], ids=["room for all", "room for one"])
def test_bits_are_those_of_the_model_alone(sources: list[Source], runtime: Runtime) -> None:
    together = engine.open(sources[0], runtime, *sources[1:])
    found = pixels(render(together, shots(sources)))
    assert together.stats.loads == len(sources)
    assert len(set(found.values())) == len(found)
    for one in sources:
        alone = pixels(render(engine.open(one, CPU), shots([one])))
        assert alone == {key: found[key] for key in alone}


def test_models_share_what_they_have_in_common(sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    real, read = weights.load_part, []
    monkeypatch.setattr(weights, "load_part", lambda name, *args: read.append(name) or real(name, *args))
    found = engine.open(sources[0], CPU, sources[3])
    render(found, shots([sources[0], sources[3]]))
    assert sorted(read) == ["text_encoder", "unet", "vae", "vae"]


def test_a_model_that_cannot_be_loaded_fails_its_shots_alone(sources: list[Source], tmp_path: Path) -> None:
    broken = shutil.copytree(str(sources[1].folder), tmp_path / "broken")
    file = Path(broken) / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    save_file({k: v for k, v in state.items() if k != "conv_in.bias"}, file)
    wrong = replace(sources[1], folder=Path(broken))
    for order in ((sources[0], wrong, sources[2]), (wrong, sources[0], sources[2])):
        found = render(engine.open(order[0], CPU, *order[1:]), shots(order))
        for s in shots(order):
            if s.model == wrong.model:
                assert isinstance(found[s.id], Failure)
                assert "the weights of unet do not fit their configuration" in found[s.id].error
            else:
                assert isinstance(found[s.id], Picture)


def test_chains_stay_with_their_model(sources: list[Source]) -> None:
    """A chain that waits for its parent does not let another model push its own out of the memory."""
    from tests.engine.test_chains import chain

    wanted = [one for s in sources[:3] for one in chain(2, model=s.model)]
    found = engine.open(sources[0], ONE, *sources[1:3])
    together = pixels(render(found, wanted))
    assert found.stats.loads == 3
    alone = pixels(render(engine.open(sources[1], CPU), chain(2, model=sources[1].model)))
    assert alone == {key: together[key] for key in alone}


def test_one_model_of_several_is_rendered_as_alone(sources: list[Source]) -> None:
    found = engine.open(sources[0], CPU, *sources[1:])
    (only,) = render(found, [shot(model=sources[2].model)]).values()
    (alone,) = render(engine.open(sources[2], CPU), [shot(model=sources[2].model)]).values()
    assert np.array_equal(only.pixels, alone.pixels)
    assert found.profile == engine.open(sources[2], CPU).profile


def test_what_has_left_the_memory_is_not_held(sources: list[Source]) -> None:
    found = engine.open(sources[0], ONE, *sources[1:3])
    first = weakref.ref(found.main.denoiser._call.__self__)
    render(found, shots(sources[1:3]))
    gc.collect()
    assert first() is None
    assert list(found._weights.in_memory) != [sources[0].model.key]
    again = render(found, shots(sources[:1]))  # another call: its profile stands
    assert pixels(again) == pixels(render(engine.open(sources[0], CPU), shots(sources[:1])))


def test_the_budget_counts_what_models_share(sources: list[Source]) -> None:
    found = engine.open(sources[0], CPU, sources[3])._weights
    whole = sum(entry.bytes for entry in found._entries.values())
    assert found.fits(sources[3].model.key, {sources[0].model.key})
    found._budget = whole  # no room for one VAE more
    assert not found.fits(sources[3].model.key, {sources[0].model.key})
    assert found.fits(sources[3].model.key, set())
    assert found.make_room(sources[3].model.key, set()) == {sources[0].model.key}
    assert {part.name for part in found._entries} == {"text_encoder", "unet"}


def test_the_next_model_is_read_while_the_first_one_renders(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, real = [], weights.load_part
    monkeypatch.setattr(weights, "load_part", lambda *args: threads.append(threading.current_thread()) or real(*args))
    found = engine.open(sources[0], CPU, *sources[1:3])
    key = sources[1].model.key
    assert found._weights.read_ahead([sources[0].model.key, key], {sources[0].model.key}) == set()
    found._weights._reading[key].result()
    read = len(threads)
    found._weights.get(key)
    assert len(threads) == read == 6
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("name", load.PARTS)
def test_sizes_are_those_of_the_networks(sources: list[Source], tmp_path: Path, name: str) -> None:
    from tests.engine import ldm

    single = source(file=ldm.write(tmp_path / "m.safetensors", ldm.made()))
    for one in (sources[0], single):
        module = load.load_part(name, one, torch.device("cpu"), torch.float32)
        counted = sum(p.numel() for p in module.parameters())
        assert counted <= sizes.parameters(name, one) <= counted * 1.01  # a file also has position ids


@torch.inference_mode()
def test_guidance_rescale_is_that_of_diffusers() -> None:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    uncond, cond = torch.randn(2, 4, 8, 8)
    plain = guide([uncond, cond], (1.0,), 7.5)
    theirs = rescale_noise_cfg(plain[None], cond[None], 0.7)[0]
    torch.testing.assert_close(guide([uncond, cond], (1.0,), 7.5, 0.7), theirs)
    assert torch.equal(guide([uncond, cond], (1.0,), 7.5, 0.0), plain)
    assert torch.equal(guide([cond], (1.0,), 7.5, 0.7), cond)


def test_guidance_rescale_is_the_models_or_the_shots(opened: Any) -> None:
    own, none = (Model("b2:test", NoiseSchedule(guidance_rescale=r)) for r in (0.7, 0.0))
    wanted = [
        shot(model=own), shot(model=none, guidance_rescale=0.7), shot(model=own, guidance_rescale=0.0), shot(model=none)
    ]  # fmt: skip
    a, b, c, d = (next(iter(render(opened, [one]).values())).pixels for one in wanted)
    assert np.array_equal(a, b)
    assert np.array_equal(c, d)
    assert not np.array_equal(a, c)
