"""The sound of a video: of its length, in time, the same bytes again, and known by its contents."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sdbatch import video_reader
from sdbatch.media.video_writer import VideoWriter
from sdbatch.spec.codecs import CODECS
from sdbatch.spec.jobs import Encoding
from tests.config.building import planned, problems
from tests.sound.clicks import clicks, heard

AUDIBLE = [codec.name for codec in CODECS.values() if codec.sound]
ZOOM = {"mode": "zoom", "seconds": 2, "fps": 8, "zoom": [[0, 1], ["end", 1.5]]}


def written(path: Path, sound: Path, codec: str, frames: int) -> Path:
    heard = (sound, Fraction(frames, 10))
    with VideoWriter(path, (16, 16), Fraction(10), Encoding(codec, preset="ultrafast"), "{}", sound=heard) as video:
        for i in range(frames):
            video.add(np.full((16, 16, 3), 5 * i, np.uint8))
    return path


@pytest.mark.parametrize("codec", AUDIBLE)
def test_sound_is_cut_or_repeated_to_the_length(codec: str, tmp_path: Path) -> None:
    sound = clicks(tmp_path / "x.wav", 60, 1.5)  # one click, after 0.5 s
    for frames, expected in ((10, [0.5]), (40, [0.5, 2.0, 3.5])):
        path = written(tmp_path / f"a{frames}.{CODECS[codec].suffix}", sound, codec, frames)
        length, times = heard(path)
        assert length == pytest.approx(frames / 10, abs=0.03)  # the last packet of a codec
        assert times == pytest.approx(expected, abs=0.002)
        assert video_reader.probe(path).frames == frames
        assert video_reader.read_metadata(path) == "{}"
        again = written(tmp_path / f"b{frames}.{CODECS[codec].suffix}", sound, codec, frames)
        assert again.read_bytes() == path.read_bytes()
    assert sorted(p.name[0] for p in tmp_path.iterdir()) == ["a", "a", "b", "b", "x"]


def test_the_contents_of_the_file_decide(tmp_path: Path) -> None:
    first, same, other = (clicks(tmp_path / f"{n}.wav", t) for n, t in (("a", 120), ("b", 120), ("c", 90)))
    ids = [planned(motion=ZOOM, encoding={"audio": str(p)} if p else {}).ids for p in (first, same, other, None)]
    assert ids[0] == ids[1]
    assert len({tuple(i) for i in ids}) == 3


@pytest.mark.parametrize("codec", sorted(set(CODECS) - set(AUDIBLE)))
def test_a_codec_without_sound_is_named(codec: str, tmp_path: Path) -> None:
    audio = str(clicks(tmp_path / "a.wav"))
    (found,) = problems(motion=ZOOM, encoding={"audio": audio, "codec": codec})
    assert str(found) == f"encoding.audio: {codec} files hold no sound (use encoding.codec: {', '.join(AUDIBLE)})"
    swept = problems(motion=ZOOM, encoding={"audio": audio}, sweep=[{"encoding.codec": ["h264", codec]}])
    assert [p.key for p in swept] == ["encoding.audio"]
