"""Videos: the right colours, size and rate, the same bytes every time, whole or not there."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdbatch import ffmpeg, video_reader
from sdbatch.errors import StoreError
from sdbatch.media import xmp
from sdbatch.media.video_writer import VideoWriter
from sdbatch.spec.codecs import CODECS
from sdbatch.spec.jobs import Encoding
from sdbatch.spec.renderer import Pixels
from tests import patience

H264 = Encoding()
MakeFilm = Callable[..., Path]
Scene = Callable[..., Pixels]
LONG = '{"a":"' + 'x=;#\\"\n[Y]\\\\' * 10_000 + ' é 鳥居 🌅"}'


def _card(path: Path, colour: tuple[int, int, int], codec: str = "h264") -> None:
    with VideoWriter(path, (64, 48), Fraction(24), Encoding(codec)) as video:
        for _ in range(3):
            video.add(np.full((48, 64, 3), colour, np.uint8))


def _boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    while data:
        size, kind = struct.unpack(">I4s", data[:8])
        yield kind.decode("latin-1"), data[8:size]
        data = data[size:]


def _said_by_ffmpeg(path: Path) -> str:
    return subprocess.run(
        [ffmpeg.exe(), "-hide_banner", "-i", path], capture_output=True, text=True, check=False
    ).stderr


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_gives_size_rate_and_frames(codec: str, make_video: MakeFilm, scene: Scene) -> None:
    path = make_video(f"a.{CODECS[codec].suffix}", codec=codec, frames=9)
    width, height, fps, frames = video_reader.probe(path)
    assert (width, height, frames) == (64, 48, 9)
    assert fps == pytest.approx(24, rel=0.04)  # a GIF counts in hundredths of a second
    decoded = list(video_reader.decode(path))
    assert len(decoded) == 9
    for i, pixels in enumerate(decoded):
        assert np.abs(pixels.astype(int) - scene(i)).mean() < 10


@pytest.mark.parametrize("codec", CODECS)
def test_equal_frames_give_equal_bytes(codec: str, make_video: MakeFilm) -> None:
    first, second = (make_video(name, codec=codec, size=(160, 96), metadata='{"a":1}') for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


GREY = [("h264", level) for level in (0, 1, 64, 127, 128, 200, 255)]


@pytest.mark.parametrize(("codec", "level"), [*GREY, ("av1", 127), ("vp9", 127)])
def test_a_grey_card_stays_grey(codec: str, level: int, tmp_path: Path) -> None:
    _card(tmp_path / "a", (level, level, level), codec)
    for pixels in video_reader.decode(tmp_path / "a"):
        assert np.abs(pixels.mean((0, 1)) - level).max() <= 1


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40), (20, 60, 110)])
def test_colours_come_back(colour: tuple[int, int, int], tmp_path: Path) -> None:
    _card(tmp_path / "a.mp4", colour)
    for pixels in video_reader.decode(tmp_path / "a.mp4"):
        assert np.abs(pixels.mean((0, 1)) - colour).max() <= 3


def test_the_colours_are_in_the_file(make_video: MakeFilm) -> None:
    assert "yuv420p(tv, bt709, progressive), 64x48" in _said_by_ffmpeg(make_video())


@pytest.mark.parametrize("fps", ["24000/1001", "24", "1", "240", "2997/125", "25/2"])
def test_the_rate_is_exact(fps: str, make_video: MakeFilm) -> None:
    path = make_video(fps=Fraction(fps), frames=5)
    assert video_reader.probe(path).fps == Fraction(fps)
    assert video_reader.probe(path).frames == 5


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (1, 1), (2, 3)])
def test_odd_sizes_get_one_more_pixel_like_the_last(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    with VideoWriter(tmp_path / "a.mp4", size, Fraction(24), Encoding(quality=1)) as video:
        for _ in range(2):
            video.add(np.full((height, width, 3), (10, 200, 90), np.uint8))
    assert video_reader.probe(tmp_path / "a.mp4")[:2] == (width + width % 2, height + height % 2)
    for pixels in video_reader.decode(tmp_path / "a.mp4"):
        assert np.abs(pixels.astype(int) - (10, 200, 90)).max() <= 6


def test_playing_can_start_before_the_file_is_whole(make_video: MakeFilm) -> None:
    kinds = [kind for kind, _ in _boxes(make_video(metadata="x").read_bytes())]
    assert kinds.index("moov") < kinds.index("mdat")


@pytest.mark.parametrize("codec", [name for name, codec in CODECS.items() if codec.tagged])
@pytest.mark.parametrize("text", [LONG, "", "a", "\n", "comment=x\n[CHAPTER]\ncomment=y", " edge \\ "])
def test_metadata_comes_back_exactly(codec: str, text: str, make_video: MakeFilm) -> None:
    assert (video_reader.read_metadata(make_video(codec=codec, metadata=text, frames=2)) or "") == text


def test_without_metadata_the_container_says_nothing(make_video: MakeFilm) -> None:
    path = make_video()
    assert video_reader.read_metadata(path) is None
    assert xmp.SOURCE_TYPE.encode() not in path.read_bytes()
    assert b"\xa9cmt" not in path.read_bytes()


def test_with_metadata_an_mp4_carries_the_mark(make_video: MakeFilm) -> None:
    *_, (kind, body) = _boxes(make_video(metadata="x").read_bytes())
    assert kind == "uuid"
    assert body[16:].decode() == xmp.packet()


def test_an_animated_webp_is_read_by_pillow(make_video: MakeFilm) -> None:
    with Image.open(make_video("a.webp", codec="webp", frames=7)) as image:
        assert image.n_frames == 7  # type: ignore[attr-defined]


def test_nothing_else_is_left_beside_it(make_video: MakeFilm) -> None:
    path = make_video("a:b 'c' %d.mp4", metadata="x")
    assert [p.name for p in path.parent.iterdir()] == ["a:b 'c' %d.mp4"]


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_a_failed_video_leaves_nothing_and_the_old_one_as_it_was(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with (  # noqa: PT012
        pytest.raises(type(error)),
        VideoWriter(path, (64, 48), Fraction(24), H264, "x") as video,
    ):
        video.add(np.zeros((48, 64, 3), np.uint8))
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"old"


def test_when_ffmpeg_dies_it_is_reported_and_nothing_is_left(tmp_path: Path) -> None:
    with (  # noqa: PT012
        pytest.raises(StoreError, match=r"a\.mp4: ffmpeg failed: no message \(exit code -9\)"),
        VideoWriter(tmp_path / "a.mp4", (512, 512), Fraction(24), H264) as video,
    ):
        assert video._process is not None
        video._process.kill()
        for _ in range(50):
            video.add(np.zeros((512, 512, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("metadata", [None, "x"])
def test_a_folder_that_is_not_there_is_reported(metadata: str | None, tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"a\.mp4: .*[Nn]o such file"),
        VideoWriter(tmp_path / "no" / "a.mp4", (64, 48), Fraction(24), H264, metadata) as video,
    ):
        video.add(np.zeros((48, 64, 3), np.uint8))


def test_wrong_frames_and_no_frames_are_value_errors(tmp_path: Path) -> None:
    wrong: list[Any] = [np.zeros((64, 48, 3), np.uint8), np.zeros((48, 64, 3), np.float32)]
    for bad in wrong:
        with (
            pytest.raises(ValueError, match="frame 0"),
            VideoWriter(tmp_path / "a", (64, 48), Fraction(24), H264) as video,
        ):
            video.add(bad)
    with pytest.raises(ValueError, match="needs a frame"), VideoWriter(tmp_path / "a", (64, 48), Fraction(24), H264):
        pass
    for text in ("a\\", "a\\\nb", "a\0b"):
        with pytest.raises(ValueError, match="metadata"):
            VideoWriter(tmp_path / "a", (64, 48), Fraction(24), H264, text)
    with pytest.raises(ValueError, match="unknown codec 'divx'; allowed: h264"):
        VideoWriter(tmp_path / "a", (64, 48), Fraction(24), Encoding("divx"))
    with pytest.raises(ValueError, match="with block"):
        VideoWriter(tmp_path / "a", (64, 48), Fraction(24), H264).add(np.zeros((48, 64, 3), np.uint8))
    assert not list(tmp_path.iterdir())


KILLED = """
import numpy, sys
from fractions import Fraction
from sdbatch.spec.jobs import Encoding
from sdbatch.media.video_writer import VideoWriter
with VideoWriter(sys.argv[1], (64, 48), Fraction(24), Encoding(), "x") as video:
    for i in range(10**6):
        video.add(numpy.full((48, 64, 3), i % 256, numpy.uint8))
        sys.stdout.write(f"{video._process.pid}\\n") if i == 100 else None
        sys.stdout.flush()
"""


def test_a_killed_process_leaves_no_video(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src"}) as process:
        assert process.stdout is not None
        ffmpeg = os.pidfd_open(int(process.stdout.readline()))  # no child of ours: this says when it has ended
        process.send_signal(signal.SIGKILL)
    assert select.select([ffmpeg], [], [], patience.SECONDS)[0]
    os.close(ffmpeg)
    assert all(p.name.startswith(".a.mp4.") and p.suffix == ".part" for p in tmp_path.iterdir())


@pytest.mark.parametrize("codec", CODECS)
def test_bits_do_not_depend_on_the_number_of_cores(codec: str, make_video: MakeFilm) -> None:
    """An encoder that is free to choose starts as many threads as it may use cores; x264's bits then depend on it."""
    large = {"codec": codec, "size": (320, 256), "frames": 6}
    cores = os.sched_getaffinity(0)
    many = make_video("many", **large)
    os.sched_setaffinity(0, {min(cores)})
    try:
        one = make_video("one", **large)
    finally:
        os.sched_setaffinity(0, cores)
    assert many.read_bytes() == one.read_bytes()


def test_the_encoder_says_what_it_is() -> None:
    assert ffmpeg.encoder_build().startswith("ffmpeg ")
    assert ", x264 core " in ffmpeg.encoder_build()


def test_without_ffmpeg_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "exe", lambda: "/nowhere/ffmpeg")
    ffmpeg.encoder_build.cache_clear()
    assert ffmpeg.encoder_build() == "none"
    ffmpeg.encoder_build.cache_clear()


def test_without_imageio_ffmpeg_there_is_no_encoder_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """It brings 68 MB of ffmpeg: people who want pictures only may leave it out."""
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    for function in (ffmpeg.exe, ffmpeg.encoder_build):
        function.cache_clear()
    try:
        assert ffmpeg.encoder_build() == "none"
        with pytest.raises(OSError, match="imageio_ffmpeg"):
            ffmpeg.exe()
    finally:
        ffmpeg.encoder_build.cache_clear()
