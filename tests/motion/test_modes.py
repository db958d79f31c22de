"""Which shots a video needs and which frames it makes of them; what re-uses shots and what does not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from sdbatch import motion
from sdbatch.errors import ConfigError
from sdbatch.motion.settings import Motion
from sdbatch.plan import parse as reader
from sdbatch.spec.jobs import Encoding
from sdbatch.spec.start import Camera
from tests.motion.videos import BASE, MOTIONS, shot_ids, video

PINNED = {
    "prompt": "jee0e007ac3470d49",
    "walk": "j919dc22882cc8c05",
    "zoom": "j9177a5bb1789439e",
    "out": "j8923f489cac971c6",
    "droste": "jff60abc473af1c37",
    "feedback": "j42e604a61d8e9cd8",
    "pingpong": "j9ee2d40af5e893e5",
}


@pytest.mark.parametrize("name", MOTIONS)
def test_parents_come_first_and_frames_use_what_is_there(name: str) -> None:
    job = video(name)
    shots, seen = motion.shots(job), set[str]()
    for shot in shots:
        assert set(shot.parents) <= seen
        seen.add(shot.id)
    assert len(seen) == len(shots)
    used = {layer.shot for frame in motion.frames(job) for layer in frame}
    assert used <= set(range(len(shots)))
    if MOTIONS[name]["mode"] != "zoom":  # a zoom may need a parent that is never in view
        assert used == set(range(len(shots)))


@pytest.mark.parametrize("name", MOTIONS)
def test_every_frame_is_filled(name: str) -> None:
    for frame in motion.frames(video(name)):
        assert frame[0].seam == 0
        assert frame[0].weight == 1
        assert all(0 < layer.weight <= 1 and layer.seam > 0 for layer in frame[1:])


@pytest.mark.parametrize("name", MOTIONS)
def test_length_and_loop(name: str) -> None:
    job = video(name)
    count = MOTIONS[name]["frames"]
    want = {"pingpong": 2 * count}.get(name, count)
    assert len(list(motion.frames(job))) == motion.count(job) == want


@pytest.mark.parametrize(("fps", "seconds"), [(12, 3.0), (24, 4.0), ("24000/1001", 2.0), (8, 0.25)])
def test_a_loop_has_exactly_the_length_asked_for(fps: int | str, seconds: float) -> None:
    turn: dict[str, Any] = {"mode": "zoom", "frames": None, "seconds": seconds, "fps": fps, "prompts": []}
    plain = video("zoom", **turn, zoom=1.0)
    closed = video("zoom", **turn, zoom=[[0, 1], ["50%", 1.4], ["end", 1]], loop=True)
    both = video("zoom", **turn, zoom=[[0, 1], ["end", 1.4]], loop="pingpong")
    frames = round(seconds * plain.video.motion.fps)
    assert [motion.played(job)[0] for job in (plain, closed, both)] == [frames, frames, 2 * frames]
    cameras = [frame[0].camera for frame in motion.frames(both)]
    assert cameras[1:frames] == cameras[:frames:-1]  # there and back; each end is shown once
    assert cameras[frames].zoom == 1.4
    assert cameras.count(cameras[0]) == cameras.count(cameras[frames]) == 1


def test_the_period_of_a_wave_in_seconds_fits_a_loop_of_seconds() -> None:
    turn: dict[str, Any] = {"mode": "zoom", "frames": None, "seconds": 4.0, "prompts": [], "loop": True}
    wave = {"wave": "sin", "period": "2s", "from": 1, "to": 1.2}
    frames = motion.frames(video("zoom", **turn, zoom=wave))
    assert len(frames) == 96
    assert frames[:48] == frames[48:]


@pytest.mark.parametrize("name", ["droste", "pingpong"])
@pytest.mark.parametrize("unit", ["frames", "seconds"])
def test_loops_of_earlier_versions_are_read(name: str, unit: str) -> None:
    """They counted the frame that the loop leaves out. Their id tells them from those of today."""
    job = video(name)
    data = motion.job_spec(job) | {"id": job.id}
    frames = data["motion"].pop("frames") + 1
    data["motion"] |= {"frames": frames} if unit == "frames" else {"seconds": frames / 24}
    read = reader.job(data)
    assert read.id == job.id == PINNED[name]
    assert motion.frames(read) == motion.frames(job)
    assert reader.job(motion.job_spec(read) | {"id": read.id}) == read  # written again, it is one of today
    data["motion"]["fps"] = "25"
    with pytest.raises(ConfigError, match="does not match the settings"):
        reader.job(data)


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("change", ["fps", "quality", "codec"])
def test_a_new_rate_or_encoding_keeps_every_shot(name: str, change: str) -> None:
    old = video(name)
    encoding = {"quality": Encoding(quality=30), "codec": Encoding("webp")}.get(change, Encoding(preset="ultrafast"))
    more: dict[str, Any] = {"fps": "30000/1001"} if change == "fps" else {}
    new = video(name, encoding=encoding, **more)
    assert new.id != old.id
    assert shot_ids(new) == shot_ids(old)


@pytest.mark.parametrize("name", ["prompt", "walk", "zoom", "feedback"])
def test_pingpong_keeps_every_shot(name: str) -> None:
    count = MOTIONS[name]["frames"]
    assert shot_ids(video(name, loop="pingpong", frames=count - 1)) == shot_ids(video(name))


def test_a_loop_with_equal_ends_keeps_every_shot() -> None:
    ends: dict[str, Any] = {"zoom": [[0, 1], ["50%", 2], ["end", 1]], "phrase": "zoom {zoom:.2f}"}
    assert shot_ids(video("prompt", loop=True, **ends, frames=5)) == shot_ids(video("prompt", **ends))
    words: dict[str, Any] = {"seeds": [[0, 1], ["50%", 2], ["end", 1]]}
    assert shot_ids(video("walk", loop=True, **words, frames=7)) == shot_ids(video("walk", **words))


def test_seconds_and_frames_are_one_length() -> None:
    a = video("zoom", frames=None, seconds=0.5)
    assert a.id == video("zoom", frames=12).id
    assert a.video is not None
    assert a.video.motion.count == 12


def test_a_shot_of_mode_prompt_is_the_picture_of_that_prompt() -> None:
    shots = motion.shots(video("prompt"))
    assert shots[0] == replace(BASE, prompt="a sea, zoom 1.00")
    assert motion.make(shots[0], Motion(), Encoding()).id == shots[0].id


def test_frames_that_come_out_alike_are_one_shot() -> None:
    assert len(motion.shots(video("prompt", frames=40, phrase="zoom {zoom:.1f}"))) == 6
    still = video("walk", prompts=[[0, "a"], ["75%", "a"], ["end", "b"]], seeds=[], frames=9)
    assert len(motion.shots(still)) == 3


class TestWalk:
    def test_the_ends_are_plain_pictures(self) -> None:
        shots = motion.shots(video("walk", frames=9))
        assert shots[0] == replace(BASE, prompt="a sea, a", seed=1)
        assert shots[-1] == replace(BASE, prompt="a sea, a", seed=2)
        half = shots[2].toward
        assert half is not None
        assert (half.prompt, half.seed, half.amount, half.seed_amount) == ("a sea, b", 2, 0.5, 0.25)

    def test_words_and_noise_in_step_need_one_amount(self) -> None:
        shot = motion.shots(video("walk", frames=5, prompts=[[0, "a"], ["end", "b"]]))[1]
        assert shot.toward is not None
        assert (shot.toward.amount, shot.toward.seed_amount) == (0.25, None)

    def test_guidance_moves_too(self) -> None:
        shots = motion.shots(video("walk", frames=5, guidance=[[0, 4], ["end", 8]]))
        assert [s.guidance for s in shots] == [4, 5, 6, 7, 8]


class TestZoom:
    def test_a_new_camera_keeps_the_keyframes_that_it_still_needs(self) -> None:
        ids = shot_ids(video("zoom"))
        further = shot_ids(video("zoom", zoom=[[0, 1], ["end", 9]]))
        assert further[: len(ids)] == ids
        assert len(further) > len(ids)
        assert shot_ids(video("zoom", zoom=[[0, 3], ["end", 1, "out_cubic"]])) == ids
        assert shot_ids(video("zoom", frames=200)) == ids
        moved = shot_ids(video("zoom", x=[[0, 0], ["end", 0.2]], roll=[[0, 0], ["end", 30]]))
        assert set(ids) <= set(moved)
        assert set(shot_ids(video("out"))) & set(shot_ids(video("zoom", prompts=[], target=[0.1, 0])))

    def test_inwards_refines_and_outwards_paints(self) -> None:
        inwards, outwards = motion.shots(video("zoom")), motion.shots(video("out"))
        assert inwards[0].start is None
        assert all(s.start and not s.start.paint and s.start.camera.zoom == 1.5 for s in inwards[1:])
        assert all(s.start and s.start.paint and s.start.camera.zoom < 1 for s in outwards[1:])
        assert [s.start.parent for s in inwards[1:] if s.start] == [s.id for s in inwards[:-1]]

    def test_shots_are_few(self) -> None:
        assert len(motion.shots(video("zoom", frames=96, zoom=[[0, 1], ["end", 4]]))) <= 96 / 10
        assert len(motion.shots(video("zoom", frames=96, zoom=1.0))) == 1

    def test_the_phrase_tells_each_keyframe_its_own_zoom(self) -> None:
        way: dict[str, Any] = {"mode": "zoom", "zoom": [[0, 1], ["end", 4]], "factor": 2}
        shots = motion.shots(video(**way, prompts=[], phrase="zoom {zoom:.2f}"))
        assert [s.prompt for s in shots[:2]] == ["a sea, zoom 1.00", "a sea, zoom 2.00"]
        words = motion.shots(video(**way, phrase="zoom {zoom:.0f}", prompts=[[1, "wide"], [2, "a gate"]]))
        assert [s.prompt for s in words[:2]] == ["a sea, zoom 1, wide", "a sea, zoom 2, a gate"]

    def test_words_and_strength_go_by_depth(self) -> None:
        shots = motion.shots(video("zoom", strength=[[1, 0.4], [3.375, 0.7]], guidance=[[1, 5], [3.375, 8]]))
        depths = [s.start.strength for s in shots if s.start]
        assert depths[:3] == [0.5, 0.6, 0.7]
        assert set(depths[3:]) <= {0.7}  # deeper than the last key it holds
        assert [s.guidance for s in shots][:4] == [5, 6, 7, 8]
        assert shots[0].prompt == "a sea, a"
        assert shots[-1].prompt == "a sea, b"
        assert shots[1].toward is not None
        assert len({s.seed for s in shots}) == len(shots)

    def test_the_target_stays_where_it_is_on_the_screen(self) -> None:
        job = video("zoom", target=[0.2, -0.1])
        for frame in motion.frames(job):
            camera = frame[0].camera
            place = [(v - c) * camera.zoom for v, c in ((0.2, camera.x), (-0.1, camera.y))]
            assert place == pytest.approx([0.2, -0.1], abs=1e-6)

    def test_a_loop_that_repeats_its_keyframes_is_closed(self) -> None:
        job = video("droste")
        shots = motion.shots(job)
        assert len(shots) == 3
        assert shots[-1].start is not None
        assert shots[-1].start.inlay is not None
        assert shots[-1].start.inlay.shot == shots[0].id
        assert set(shots[-1].parents) == {shots[0].id, shots[1].id}
        every = [*motion.MODES["zoom"].frames(job.shot, job.video.motion)]
        assert len(every[0]) == len(every[-1])
        for a, b in zip(every[0], every[-1], strict=True):
            assert (a.shot, a.weight, a.seam) == (b.shot, b.weight, b.seam)
            assert a.camera.zoom == pytest.approx(b.camera.zoom)

    def test_layers_change_smoothly(self) -> None:
        """What a switch would be: a layer that comes or goes while it can be seen."""
        job = video("zoom", frames=400, zoom=[[0, 1], ["end", 6]])
        before: dict[int, float] = {}
        for n, frame in enumerate(motion.frames(job)):
            now = {layer.shot: layer.weight for layer in frame}
            if n:
                for shot in set(now) | set(before):
                    if shot > min(now):
                        assert abs(now.get(shot, 0) - before.get(shot, 0)) < 0.02
            before = now


class TestFeedback:
    def test_a_chain_with_its_colours(self) -> None:
        shots = motion.shots(video("feedback"))
        assert len(shots) == 4  # frames 0, 3, 6 and the last
        assert shots[0].start is None
        for before, shot in pairwise(shots):
            assert shot.start is not None
            assert (shot.start.parent, shot.start.colours) == (before.id, shots[0].id)
        assert len({s.seed for s in shots}) == len(shots)
        free = motion.shots(video("feedback", colours="free"))
        assert all(not s.start.colours for s in free if s.start)

    def test_shots_are_shown_as_they_are_and_warped_between(self) -> None:
        frames = list(motion.frames(video("feedback")))
        for n, at in enumerate((0, 3, 6, 8)):
            assert [(layer.shot, layer.camera) for layer in frames[at]] == [(n, Camera())]
        assert [layer.shot for layer in frames[1]] == [0, 1]
        assert frames[1][1].weight < frames[2][1].weight < 1

    def test_the_steps_of_the_chain_are_the_camera(self) -> None:
        """Warped on and on, the camera ends where the schedule does."""
        job = video("feedback", x=0, roll=0)
        zoom = 1.0
        for shot in motion.shots(job):
            zoom *= shot.start.camera.zoom if shot.start else 1
        assert zoom == pytest.approx(3)


@pytest.mark.parametrize("name", MOTIONS)
def test_ids_are_what_they_were(name: str) -> None:
    """Videos that people have must be found again: never change these without a new SPEC_VERSION."""
    assert video(name).id == PINNED[name]
