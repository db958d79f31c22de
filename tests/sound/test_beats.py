"""Beats are found in clicks of a known tempo, and move schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbatch.config.validation import check
from sdbatch.errors import ConfigError
from sdbatch.motion import MODES
from sdbatch.motion.keys import CURVES
from sdbatch.motion.settings import Motion
from sdbatch.plan import sounds
from sdbatch.sound import beats, heard
from sdbatch.spec.sound import Sound
from tests.config.building import planned, problems
from tests.motion.videos import settings
from tests.sound.clicks import clicks, samples, write

BEATS = {"wave": "beats", "from": 1, "to": 2}


@pytest.mark.parametrize(("tempo", "noise"), [(120, 0.0), (97, 0.02), (140, 0.05), (75, 0.0)])
def test_beats_are_where_the_clicks_are(tempo: float, noise: float, tmp_path: Path) -> None:
    sound, times = samples(tempo, 15, noise)
    found = np.array(heard.hear(str(write(tmp_path / "x.wav", sound))).beats)
    assert all(np.abs(found - t).min() < 0.02 for t in times)
    assert len(found) <= len(times) + 1


def test_a_chord_that_changes_is_a_beat_and_a_tone_is_none() -> None:
    t = np.arange(12 * beats.RATE) / beats.RATE
    tone = np.sin(2 * np.pi * 220 * t)
    chords = np.sin(2 * np.pi * np.where((t % 1.2) < 0.6, 220, 330) * t)
    assert len(beats.find((chords * 20000).astype(np.int16))) > 15
    steady = beats.onsets((tone * 20000).astype(np.int16))
    assert steady[20:-20].max() < 0.01


@pytest.mark.parametrize("level", [0, 1])
def test_silence_has_no_beats(level: int) -> None:
    assert beats.find(np.full(5 * beats.RATE, level, np.int16)) == ()


def test_a_beat_is_at_the_top_and_falls() -> None:
    made = settings(mode="zoom", frames=24, fps=12, zoom=BEATS | {"times": [0.5, 1.0], "fall": "0.25s"})
    zoom = made.curve("zoom")
    assert [i for i, z in enumerate(zoom) if z == pytest.approx(2)] == [6, 12]
    assert zoom[:6] == [1] * 6
    assert 2 > zoom[7] > zoom[8] > zoom[9] == 1


def test_a_loop_ends_as_it_begins() -> None:
    made = settings(mode="zoom", seconds=2, fps=12, loop=True, zoom=BEATS | {"times": [0.1, 1.95], "fall": "0.5s"})
    zoom = made.curve("zoom")
    assert zoom[0] == zoom[-1] != 1
    assert len(zoom) == 25


def test_short_sound_repeats_its_beats() -> None:
    made = settings(mode="zoom", seconds=4, fps=10, zoom=BEATS)
    filled = sounds.on_beat(made, Sound("b2:x", "x.wav", 1.5, (0.5,)))
    assert [i for i, z in enumerate(filled.curve("zoom")) if z == pytest.approx(2)] == [5, 20, 35]
    long = sounds.on_beat(made, Sound("b2:x", "x.wav", 60.0, (0.5, 3.0, 30.0)))
    assert [i for i, z in enumerate(long.curve("zoom")) if z == pytest.approx(2)] == [5, 30]
    assert Motion.model_validate_json(filled.model_dump_json()) == filled


def test_the_plan_puts_beats_into_motion(tmp_path: Path) -> None:
    path = str(clicks(tmp_path / "a.wav"))
    motion = {"mode": "zoom", "seconds": 3, "fps": 10, "zoom": BEATS}
    (job,) = planned(motion=motion, encoding={"audio": path})
    assert job.video is not None
    assert [i for i, z in enumerate(job.video.motion.curve("zoom")) if z == pytest.approx(2)] == [5, 10, 15, 20, 25]
    swept = planned(motion=motion, sweep=[{"encoding.audio": [path, str(clicks(tmp_path / "b.wav", 75))]}])
    assert [job.labels[2] for job in swept] == [("encoding.audio", "a"), ("encoding.audio", "b")]
    assert len({job.video.motion.curve("zoom")[10] for job in swept}) == 2


@pytest.mark.parametrize(
    ("zoom", "key", "message"),
    [
        (BEATS, "motion.zoom", "wave beats needs encoding.audio (or give their seconds: times: [0.5, 1, 1.5])"),
        (BEATS | {"times": [2, 1]}, "motion.zoom.times", "is not a list of increasing seconds"),
        (BEATS | {"times": []}, "motion.zoom.times", "is not a list of increasing seconds"),
        (BEATS | {"times": "1"}, "motion.zoom.times", "is not a list of increasing seconds"),
        (BEATS | {"fall": "fast"}, "motion.zoom.fall", "'fast' is not a length"),
        (BEATS | {"width": 0.5}, "motion.zoom.width", "is not used by wave beats, only by pulse"),
        (BEATS | {"phase": 0.5}, "motion.zoom.phase", "is not used by wave beats"),
        (BEATS | {"wave": "beat"}, "motion.zoom.wave", "unknown wave 'beat'"),
        ({"wave": "sin", "period": "1s", "from": 1, "to": 2, "fall": 2}, "motion.zoom.fall", "only by beats"),
    ],
)
def test_mistakes(zoom: Any, key: str, message: str) -> None:
    found = problems(motion={"mode": "zoom", "seconds": 2, "zoom": zoom})
    assert any(p.key == key and message in str(p) for p in found), found


@pytest.mark.parametrize("loop", [False, True, "pingpong"])
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "still"])
def test_what_is_accepted_before_the_beats_are_known_is_accepted_with_them(mode: str, loop: bool | str) -> None:
    """A job that is planned can be read from plan.jsonl and from its file."""
    heard_sound, read = Sound("b2:x", "x.wav", 1.5, (0.5, 1.0)), 0
    for name in CURVES:
        keys: dict[str, Any] = {"mode": mode, "frames": 16, "fps": 8, "loop": loop, "phrase": "{zoom:.1f}"}
        keys |= {name: {"wave": "beats", "from": 1, "to": 1 if name == "strength" else 2}}
        keys |= {"prompts": [[0, "a"], ["50%", "b"], ["end", "a"]]} if mode == "walk" else {}
        try:
            made = check(Motion, keys)
        except ConfigError:
            continue
        filled = sounds.on_beat(made, heard_sound)
        assert check(Motion, filled.model_dump(mode="json", exclude_defaults=True)) == filled
        read += 1
    assert read or (mode, loop) == ("feedback", True)


def test_beats_without_effect_are_an_error(tmp_path: Path) -> None:
    motion = {"mode": "prompt", "frames": 16, "phrase": "frame {frame}", "zoom": BEATS}
    (problem,) = problems(motion=motion, encoding={"audio": str(clicks(tmp_path / "a.wav"))})
    assert problem.key == "motion.zoom"
    assert problem.message.startswith("has no effect: in mode prompt only the phrase changes, and it lacks {zoom}")
