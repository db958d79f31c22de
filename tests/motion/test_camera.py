"""The warp against pictures that are known everywhere, and how layers become a frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbatch import motion
from sdbatch.imaging import warp as camera_module
from sdbatch.imaging.warp import Plate, coverage, patch, warp
from sdbatch.media.compositing import compose
from sdbatch.motion import levels, zoom
from sdbatch.motion.poses import fills_frame, poses, relative
from sdbatch.preview.test_card import card
from sdbatch.spec.jobs import Layer
from sdbatch.spec.start import Camera
from tests.motion.videos import BASE, settings, video

SIZE = (96, 64)
BASE_96 = replace(BASE, width=96, height=64)
CAMERAS = [Camera(), Camera(1.3), Camera(0.7, 0.02), Camera(1.1, 0.05, -0.03, 12), Camera(2.5, 0.1, 0.1, -80)]


def plates(pictures: list[Any]) -> Callable[[int], Plate]:
    return cache(lambda i: Plate(pictures[i]))


def waves(camera: Camera, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A scene known everywhere: long waves in three directions, one a channel."""
    (w, h), turn = size, math.radians(camera.roll)
    dx, dy = np.meshgrid(np.arange(w) + 0.5 - w / 2, np.arange(h) + 0.5 - h / 2)
    cos, sin = math.cos(turn) / camera.zoom, math.sin(turn) / camera.zoom
    x, y = camera.x * w + dx * cos - dy * sin, camera.y * h + dx * sin + dy * cos
    return 127.5 + 90 * np.sin(np.stack([x / 5, y / 4, (x + y) / 7], -1))


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_warp_shows_what_is_there(camera: Camera) -> None:
    off = np.abs(warp(np.rint(waves(Camera())).astype(np.uint8), camera, SIZE) - waves(camera))
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    inside = coverage(camera, SIZE, SIZE) > 0
    inside &= (x > 6) & (x < SIZE[0] - 7) & (y > 6) & (y < SIZE[1] - 7)
    if camera.zoom < 1:  # beyond the source there is nothing to know
        inside &= coverage(Camera(camera.zoom * 0.85, camera.x, camera.y), SIZE, SIZE) > 0
    assert inside.sum() > 500
    assert off[inside].max() < (2 if camera.roll == 0 else 4)


def test_the_warp_does_not_move_the_picture() -> None:
    """What the card shows through a camera is where the warp of the card puts it: no half pixel anywhere."""
    for camera in (Camera(1.2), Camera(1.2, roll=7), Camera(1.0, 1 / 192, 1 / 128)):
        want, have = card(camera, SIZE).astype(float), warp(card(Camera(), SIZE), camera, SIZE).astype(float)
        inner = (slice(8, -8), slice(8, -8))
        gy, gx = np.gradient(want.mean(-1))
        off = (have - want).mean(-1)
        for slope in (gx, gy):
            assert abs((off * slope)[inner].sum() / (slope**2)[inner].sum()) < 0.04  # pixels


PAN = st.floats(-0.3, 0.3)
ANY = st.builds(Camera, st.floats(0.5, 4), PAN, PAN, st.floats(-180, 180))


@given(ANY, ANY, st.floats(0.4, 2.5))
def test_cameras_compose(view: Camera, by: Camera, aspect: float) -> None:
    """A point in the frame is the same point of the scene by either way."""
    between = relative(view, by, aspect)
    for px, py in ((0.3, -0.2), (-0.5, 0.5)):
        by_both = scene(by, *scene(between, px, py, aspect), aspect)
        assert by_both == pytest.approx(scene(view, px, py, aspect), abs=1e-6)


def scene(camera: Camera, px: float, py: float, aspect: float) -> tuple[float, float]:
    cos, sin = math.cos(math.radians(camera.roll)), math.sin(math.radians(camera.roll))
    x, y = px * aspect, py
    return (
        camera.x + (x * cos - y * sin) / camera.zoom / aspect,
        camera.y + (x * sin + y * cos) / camera.zoom,
    )


def test_fills_frame() -> None:
    assert fills_frame(Camera(), 1.5)
    assert not fills_frame(Camera(0.999), 1.5)
    assert not fills_frame(Camera(roll=1), 1.5)
    assert fills_frame(Camera(1.6, roll=90), 1.5)
    assert not fills_frame(Camera(1.4, roll=90), 1.5)
    assert fills_frame(Camera(2, x=0.25, y=-0.25), 1.5)
    assert not fills_frame(Camera(2, x=0.26), 1.5)
    assert not fills_frame(Camera(), 1.5, 0.1)
    assert fills_frame(Camera(1.26), 1.0, 0.1)


def test_a_patch_is_the_warp_where_the_picture_is() -> None:
    picture = card(Camera(), SIZE)
    for camera in (Camera(0.5), Camera(0.5, 0.3, 0.2), Camera(0.6, roll=30), Camera(2)):
        found = patch(Plate(picture), camera, SIZE, 0.1)
        assert found is not None
        part, cover, place = found
        off = np.abs(part.astype(int) - warp(picture, camera, SIZE)[place].astype(int))
        assert np.percentile(off[cover[..., 0] > 0.5], 99) <= 4
        outside = np.ones(SIZE[::-1], bool)
        outside[place] = False
        assert coverage(camera, SIZE, SIZE)[outside].max(initial=0) == 0
    assert patch(Plate(picture), Camera(1, x=3), SIZE, 0.1) is None


@given(ANY)
def test_a_plate_is_seen_as_any_picture(camera: Camera) -> None:
    """Its enlargement is kept from frame to frame; that may turn a rounding, and nothing else."""
    picture = card(Camera(), SIZE)
    off = np.abs(warp(Plate(picture), camera, SIZE).astype(int) - warp(picture, camera, SIZE))
    assert off.max() <= 1
    assert off.mean() < 0.1


def _watch(monkeypatch: pytest.MonkeyPatch, made: list[Any]) -> None:
    """Views of a plate as they are made."""
    true = camera_module._view

    def view(*arguments: Any) -> Any:
        made.append(true(*arguments))
        return made[-1]

    monkeypatch.setattr(camera_module, "_view", view)


def test_a_plate_is_enlarged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plate, made = Plate(card(Camera(), SIZE)), list[Any]()
    _watch(monkeypatch, made)
    for k in range(20):
        warp(plate, Camera(1.5 + k / 100, k / 500), SIZE)
    assert len(made) == 1


def test_a_plate_far_too_near_is_enlarged_where_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pan of many frames looks at a small part of a very coarse picture."""
    plate, made = Plate(card(Camera(), SIZE)), list[Any]()
    _watch(monkeypatch, made)
    seen = warp(plate, Camera(200, 0.1, 0.1), SIZE)
    assert max(view.image.width * view.image.height for view in made) < 32_000_000
    assert np.abs(seen.astype(int) - warp(plate.pixels, Camera(200, 0.1, 0.1), SIZE)).max() <= 1


def test_an_edge_is_soft_in_the_scene_so_it_does_not_depend_on_the_zoom() -> None:
    white = np.full((64, 96, 3), 255, np.uint8)
    profiles = []
    for z in (0.25, 0.5):
        found = patch(Plate(white), Camera(z), (96 * 4, 64 * 4), 0.2)
        assert found is not None
        profiles.append(found[1][found[1].shape[0] // 2, :, 0])
    assert np.abs(profiles[1][1::2] - profiles[0]).max() < 0.03


def test_layers_lie_over_each_other() -> None:
    pictures = [np.full((64, 96, 3), v, np.uint8) for v in (40, 200)]
    frame = (Layer(0), Layer(1, Camera(0.5), 0.5, 0.1))
    made = compose(frame, plates(pictures))
    assert (made[:16] == 40).all()
    assert (made[:, :24] == 40).all()
    assert (made[28:36, 40:56] == 120).all()
    whole = compose((Layer(0), Layer(1, Camera(2), 1.0, 0.1)), plates(pictures))
    assert (whole == 200).all()


def test_supersampling_averages_what_is_finer() -> None:
    picture = Plate(card(Camera(), SIZE))
    frame = (Layer(0, Camera(1.5, roll=3)), Layer(0, Camera(0.4), 1.0, 0.1))
    fine, plain = compose(frame, lambda _: picture, 3), compose(frame, lambda _: picture)
    assert fine.shape == plain.shape
    assert 0 < np.abs(fine.astype(int) - plain).mean() < 6
    assert np.array_equal(compose((Layer(0),), lambda _: picture, 2), picture.pixels)


def test_every_frame_of_a_zoom_is_the_scene_itself() -> None:
    """Keyframes of a known scene, blended: every frame is what a camera in that scene would see."""
    job = video("zoom", frames=17, zoom=[[0, 1], ["end", 5]], roll=[[0, 0], ["end", 25]], target=[0.1, -0.05])
    assert job.video is not None
    setting = job.video.motion
    pictures = [np.rint(waves(c)).astype(np.uint8) for c in zoom.cameras(BASE_96, setting)]
    for view, frame in zip(poses(setting), zoom.frames(BASE_96, setting), strict=True):
        off = np.abs(compose(frame, plates(pictures)) - waves(view))
        assert np.percentile(off, 99) < 6
        assert off.mean() < 1.2


def test_no_switch_between_keyframes_can_be_seen() -> None:
    """Keyframes that differ (each in its own tone) still give frames that change evenly."""
    setting = settings(mode="zoom", frames=161, zoom=[[0, 1], ["end", 6]])
    tones = [np.full((64, 96, 3), v, np.uint8) for v in (30, 230, 60, 200, 90, 170)]
    frames = [compose(f, plates(tones)).astype(float) for f in zoom.frames(BASE_96, setting)]
    change = np.array([np.abs(b - a).mean() for a, b in pairwise(frames)])
    assert change.max() < 2.2 * np.median(change)


def test_levels_go_out_of_view_before_they_are_drawn_alone() -> None:
    setting = settings(mode="zoom", frames=300, zoom=[[0, 1], ["end", 6]])
    before = None
    for view in poses(setting):
        bottom = levels.visible_levels(setting, view, 1.5)[0]
        if before is not None and bottom.level != before:
            assert fills_frame(bottom.camera, 1.5, levels.FEATHER)
        before = bottom.level


def test_a_droste_loop_closes() -> None:
    job = video("droste", frames=25, base=BASE_96)
    frames = list(zoom.frames(BASE_96, job.video.motion))
    shots = motion.shots(job)
    tones = [card(Camera(1 + i), (96, 64)) for i in range(len(shots))]
    first, last = (compose(f, plates(tones)).astype(int) for f in (frames[0], frames[-1]))
    assert np.abs(first - last).max() <= 1


def test_sub_pixel_motion_is_even() -> None:
    """A wave moves by the same share of a pixel for every step of a pan."""
    x, y = np.meshgrid(np.arange(96.0), np.arange(64.0))
    turns = x / 11.3 + y / 37.1
    picture = np.rint(128 + 110 * np.sin(2 * np.pi * turns)).astype(np.uint8)[..., None].repeat(3, -1)
    window = np.outer(np.hanning(64), np.hanning(96)) * np.exp(2j * np.pi * turns)
    for roll in (0, 1e-9):
        waves_ = [(warp(picture, Camera(x=i / 960, roll=roll), SIZE)[..., 0] - 128.0) * window for i in range(21)]
        steps = np.diff(np.unwrap([np.angle(w.sum()) for w in waves_])) * 11.3 / (2 * np.pi)
        assert np.abs(np.abs(steps) - 0.1).max() < 0.006
