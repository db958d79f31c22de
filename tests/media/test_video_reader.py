"""Reading videos that nobody vouches for: an answer or a ValueError."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sdbatch import ffmpeg, video_reader
from sdbatch.spec.renderer import Pixels

READERS: list[Callable[[Path], object]] = [
    video_reader.probe,
    video_reader.read_metadata,
    lambda p: sum(1 for _ in video_reader.decode(p)),
]
PLAYLISTS = [
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    b"[playlist]\nFile1=http://localhost:1/\n",
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("content", [b"", b"\0" * 1000, b"\x1aE\xdf\xa3", *PLAYLISTS])
def test_other_files_than_videos_are_value_errors(
    read: Callable[[Path], object], content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ValueError, match="damaged video"):
        read(tmp_path / "a.mp4")


@pytest.mark.parametrize("read", READERS)
def test_a_playlist_is_not_followed(read: Callable[[Path], object], make_video: Callable[..., Path]) -> None:
    playlist = make_video("real.mp4", metadata="x").with_name("a.mp4")
    playlist.write_text("ffconcat version 1.0\nfile real.mp4\n")
    with pytest.raises(ValueError, match="damaged video"):
        read(playlist)


@pytest.mark.parametrize("read", READERS)
def test_a_missing_video_is_a_value_error(read: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        read(tmp_path / "-i concat:no.mp4")


@pytest.mark.parametrize("seed", range(9))
def test_damaged_videos_raise_nothing_but_value_errors(seed: int, make_video: Callable[..., Path]) -> None:
    path = make_video(codec=("h264", "av1", "gif")[seed % 3], metadata='{"a": "b"}')
    dice, data = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(dice.randrange(6)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    path.write_bytes(data[: dice.choice((len(data), dice.randrange(len(data))))])
    for read in READERS:
        with suppress(ValueError):
            read(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_half_video_is_found(part: float, make_video: Callable[..., Path]) -> None:
    path = make_video(size=(160, 96), frames=24)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ValueError, match="damaged video"):
        list(video_reader.decode(path))


def test_decoding_can_stop_early(make_video: Callable[..., Path]) -> None:
    frames = video_reader.decode(make_video(size=(640, 480), frames=20))
    assert next(frames).shape == (480, 640, 3)
    frames.close()  # type: ignore[attr-defined]


def test_a_program_that_hangs_is_ended(make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video()
    monkeypatch.setattr(ffmpeg, "TIMEOUT", 0.001)
    with pytest.raises(ValueError, match="not read within"):
        video_reader.probe(path)


def test_frames_can_be_kept(make_video: Callable[..., Path]) -> None:
    first, second = (list[Pixels](video_reader.decode(make_video())) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert not (first[0] == first[-1]).all()
