"""The self-test can fail: networks whose bits do depend on batch composition are caught, at start-up and size by size.

Faults are put into the real networks by hooks, so that the whole way is tested: opening, profile, notes in pictures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from sdbatch.engine import torch_engine
from sdbatch.engine.denoise import Row
from sdbatch.engine.selftest import Exactness
from sdbatch.errors import RenderError
from sdbatch.spec.renderer import Bucket, Failure, Picture
from tests.engine.models import breaks, faulty, render, shot, source

Hook = Callable[..., Any]
WIDE = 80  # pixels: 10 latents, a size that start-up does not look at


def quantized(module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Per-tensor dynamic quantization to 8 bits: the scale is that of the largest value of the whole call."""
    scale = args[0].abs().max() / 127
    return (torch.round(args[0] / scale) * scale, *args[1:])


def slot_dependent(module: Any, args: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor:
    return out + torch.arange(len(out), device=out.device)[:, None, None, None].to(out.dtype) / 64


def size_dependent(module: Any, args: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor:
    return out + len(out) / 64


def if_wide(hook: Hook) -> Hook:
    """``hook`` only for latents that are not square."""

    def chosen(module: Any, args: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor | None:
        return hook(module, args, out) if out.shape[-1] != out.shape[-2] else None

    return chosen


@pytest.fixture
def opened_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``opened_with(fault)`` is an engine whose networks ``fault(parts)`` has changed."""

    def opened(fault: Callable[[Any], object], **runtime: Any) -> Any:
        faulty(monkeypatch, fault)
        return engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, **runtime))

    return opened


@pytest.fixture
def each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU probes every bucket at its first use, as GPUs do."""
    monkeypatch.setattr(torch_engine, "EACH_SIZE", ("cpu",))


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (lambda parts: parts.denoiser.conv_in.register_forward_pre_hook(quantized), "bits depend on neighbours"),
        (lambda parts: parts.denoiser.conv_out.register_forward_hook(slot_dependent), "bits depend on slot"),
        (lambda parts: parts.denoiser.conv_out.register_forward_hook(size_dependent), "exact"),
    ],
    ids=["quantized by the whole tensor", "slot", "size"],
)
def test_the_profile_says_what_the_self_test_found(opened_with: Any, fault: Any, verdict: str) -> None:
    found = opened_with(fault)
    assert found.profile.exact.startswith(verdict)
    assert ("not exact" in found.about) == (verdict != "exact")


@torch.inference_mode()
def test_calls_of_another_size_are_caught(opened_with: Any) -> None:
    """Bits that depend on the size of the call are not harm while it is fixed; smaller calls are not taken then."""
    found = opened_with(lambda parts: parts.denoiser.conv_out.register_forward_hook(size_dependent))
    assert found.profile.rows == 16
    assert found._lane(Bucket(8, 8, 1)).find_tails() == ()


@pytest.mark.usefixtures("each_size")
def test_sizes_are_probed_when_they_are_first_rendered(opened_with: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A fault at one size: the profile cannot know it, the pictures of that size say it, and no others."""
    hook = if_wide(slot_dependent)
    found = opened_with(lambda parts: parts.denoiser.conv_out.register_forward_hook(hook), rows=4)
    profile = found.profile
    assert profile.exact == "exact"
    square, wide = [shot(seed=i) for i in range(3)], [shot(seed=i, width=WIDE) for i in range(3)]
    with caplog.at_level(logging.WARNING):
        pictures = render(found, [*square, *wide])
    note = "not exact at 8x10 latents: the denoiser's bits depend on slot"
    assert [pictures[s.id].warnings for s in [*square, *wide]] == [()] * 3 + [(note,)] * 3  # type: ignore[union-attr]
    assert found.profile == profile  # or the runner would begin anew
    assert caplog.messages == [note]


@pytest.mark.usefixtures("each_size")
def test_a_vae_is_probed_with_its_batch(opened_with: Any) -> None:
    def fault(parts: Any) -> None:
        parts.vae.decoder.conv_out.register_forward_hook(slot_dependent)

    (alone,), (batched,) = (render(opened_with(fault, rows=4, vae_batch=n), [shot()]).values() for n in (1, 3))
    assert alone.warnings == ()  # one picture per call: there are not other slots
    assert batched.warnings == ("not exact at 8x8 latents: the VAE's bits depend on slot or neighbours",)


@pytest.mark.usefixtures("each_size")
def test_a_healthy_device_notes_nothing_and_paints_the_same(opened: Any, folder: Path) -> None:
    probed = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, rows=4))
    assert probed.about.splitlines()[0].endswith("exact at 8x8 latents, other sizes tested at first use")
    for one in (shot(), shot(width=WIDE, prompt="a red boat on the sea, " * 20)):
        (here,), (there,) = (render(e, [one]).values() for e in (probed, opened))
        assert isinstance(here, Picture)
        assert isinstance(there, Picture)
        assert here.warnings == ()
        assert np.array_equal(here.pixels, there.pixels)
    assert probed.stats.vae_used == probed.stats.pictures == 2  # probes are not counted


@pytest.mark.parametrize(
    ("size", "runtime", "warnings"),
    [
        ({}, {}, ()),  # the size of the self-test
        ({"width": WIDE}, {}, ("unverified at 8x10 latents",)),
        ({"prompt": "a red boat on the sea, " * 20}, {}, ("unverified at 8x8 latents, 2 chunks of text",)),
        ({}, {"vae_batch": 2}, ("unverified at 8x8 latents",)),
        ({"width": WIDE}, {"exact": False}, (torch_engine.INEXACT,)),
    ],
)
def test_what_a_cpu_has_not_tested_is_unverified(
    folder: Path, size: dict[str, Any], runtime: dict[str, Any], warnings: tuple[str, ...]
) -> None:
    opened = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, rows=4, **runtime))
    digest = opened.profile.digest
    (picture,) = render(opened, [shot(**size)]).values()
    assert isinstance(picture, Picture)
    assert picture.warnings == warnings
    assert opened.profile.digest == digest


@pytest.mark.usefixtures("each_size")
def test_a_size_is_probed_again_with_half_the_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = engine.open(source(folder), Runtime(device="cpu", threads=1, workers=1, rows=8, vae_batch=2))
    asked: list[int] = []
    decoded: list[int] = []
    denoiser, vae = found.main.exactness._denoise, found.main.exactness._decode
    monkeypatch.setattr(found.main.exactness, "_denoise", lambda rows, n: asked.append(n) or denoiser(rows, n))
    monkeypatch.setattr(found.main.exactness, "_decode", lambda z, n: decoded.append(n) or vae(z, n))

    def spoil(rows: Any, size: int, out: list[Any]) -> None:
        if size > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    breaks(monkeypatch, found, spoil)
    assert all(isinstance(p, Picture) for p in render(found, [shot(width=WIDE)]).values())
    assert asked == [8] * 3 + [4] * 3 + [4] * 3  # the size at 8 rows; then start-up's and the size at 4
    assert decoded == [2] * 2
    assert (found.profile.rows, found.profile.exact) == (4, "exact")


def test_the_verdict_on_half_the_rows_is_theirs(opened_with: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of 4 depend on the slot, calls of 8 do not."""

    def hook(module: Any, args: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor | None:
        return slot_dependent(module, args, out) if len(out) == 4 else None

    found = opened_with(lambda parts: parts.denoiser.conv_out.register_forward_hook(hook), rows=8)
    assert found.profile.exact == "exact"

    def spoil(rows: Any, size: int, out: list[Any]) -> None:
        if size > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    breaks(monkeypatch, found, spoil)
    render(found, [shot()])
    assert (found.profile.rows, found.profile.exact) == (4, "bits depend on slot")


def not_finite(module: Any, args: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor:
    return out * float("nan")


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [("float32", "are the model's weights damaged"), ("bfloat16", "use runtime.dtype=float32")],
)
def test_a_prediction_that_is_not_finite_ends_the_start(opened_with: Any, dtype: str, hint: str) -> None:
    with pytest.raises(RenderError, match=f"not finite at 8x8 latents in {dtype}: {hint}"):
        opened_with(lambda parts: parts.denoiser.conv_out.register_forward_hook(not_finite), dtype=dtype)


def test_float16_that_is_not_finite_says_what_to_use() -> None:
    found = Exactness(
        lambda rows, size: [row.latent * float("nan") for row in rows],
        lambda latents, size: [],
        lambda *_: Row(torch.ones(4, 8, 8), 500.0, torch.ones(77, 32)),
        torch.float16,
        True,
    )
    with pytest.raises(RenderError, match=r"in float16: use runtime\.dtype=bfloat16 or float32"):
        found.denoiser(Bucket(8, 8, 1), 4)


@pytest.mark.usefixtures("each_size")
def test_a_size_that_is_not_finite_fails_its_shots_at_once(opened_with: Any) -> None:
    hook = if_wide(not_finite)
    found = opened_with(lambda parts: parts.denoiser.conv_out.register_forward_hook(hook), rows=4)
    good, bad = shot(), shot(width=WIDE)
    pictures = render(found, [bad, good])
    assert isinstance(pictures[good.id], Picture)
    assert isinstance(pictures[bad.id], Failure)
    assert "not finite at 8x10 latents" in pictures[bad.id].error  # type: ignore[union-attr]
