"""Users' videos: length, size, rate and frames of real files that ffmpeg wrote."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from sdbatch import ffmpeg, video_reader
from sdbatch.files import file_digest
from sdbatch.pictures import clips
from sdbatch.pictures.clips import Frames, read
from sdbatch.spec.limits import CLIP_FRAMES
from sdbatch.spec.pictures import Clip, InputPicture
from tests.clips import moving

FRAMES = 24


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return moving(tmp_path_factory.mktemp("clips") / "clip.mp4", FRAMES)


def brightest(pixels: np.ndarray) -> float:
    """The column of the square's middle."""
    return float(np.mean(np.nonzero(pixels[..., 0] > 128)[1]))


def encode(arguments: list[str]) -> None:
    subprocess.run([ffmpeg.exe(), *ffmpeg.QUIET, *arguments], check=True)


def test_a_file_has_a_length_a_rate_and_a_size(clip: Path) -> None:
    found = read(clip)
    assert found == InputPicture(file_digest(clip), frame=0, clip=Clip(FRAMES, 12.0))
    assert (found.path, found.width, found.height) == (str(clip), 96, 64)


def test_frames_in_any_order(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The square moves to the right; going back, also beyond what is kept, gives the same bits."""
    monkeypatch.setattr(clips, "KEPT", 3 * 96 * 64 * 3)
    frames = Frames(clip, file_digest(clip))
    in_order = [frames[n].copy() for n in range(FRAMES)]
    assert all(f.shape == (64, 96, 3) and not frames[FRAMES - 1].flags.writeable for f in in_order)
    places = [brightest(pixels) for pixels in in_order]
    assert places == sorted(places)
    assert places[-1] - places[0] > 40
    for n in (20, 3, 4, 23, 0, 11):
        assert np.array_equal(frames[n], in_order[n])
    assert np.array_equal(frames[FRAMES + 100], in_order[-1])
    frames.close()


def test_films_at_different_places_of_a_video_do_not_decode_it_again(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "KEPT", 2 * 96 * 64 * 3)
    opened: list[Path] = []
    decoder = video_reader.at_rate
    monkeypatch.setattr(video_reader, "at_rate", lambda path, *how: opened.append(path) or decoder(path, *how))
    frames = Frames(clip, file_digest(clip))
    for n in range(10):
        assert brightest(frames[n]) < brightest(frames[n + 5]) < brightest(frames[n + 10])
    assert len(opened) == 3
    frames.close()


def test_a_damaged_place_is_an_error_for_all_later_frames(clip: Path, tmp_path: Path) -> None:
    """No frame stands in for one that cannot be decoded; those before it can be."""
    holes = tmp_path / "holes.mp4"
    data = bytearray(clip.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 40] = b"\xff" * 40
    holes.write_bytes(data)
    frames = Frames(holes, read(holes).digest)
    first = frames[0]
    for n in (FRAMES - 1, FRAMES - 1, FRAMES + 9):
        with pytest.raises(ValueError, match="damaged video"):
            frames[n]
    assert np.array_equal(frames[0], first)


def test_which_frame_is_shown_when(clip: Path) -> None:
    found = read(clip)
    assert [found.at(s).frame for s in (0, 0.04, 1 / 12, 0.5, 1.99, 60)] == [0, 0, 1, 6, 23, 23]
    assert found.at(1).clip is None
    thirds = InputPicture("b2:0", clip=Clip(CLIP_FRAMES, round(76 / 3, 9)))
    assert all(thirds.at(n * 3 / 76).frame == n for n in (77, 1001, 99_999, CLIP_FRAMES - 1))
    picture = InputPicture("b2:0")
    assert picture.at(3) is picture


def test_a_phones_video_is_upright(clip: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    encode(["-display_rotation", "90", "-i", str(clip), "-c", "copy", str(turned)])
    found = read(turned)
    assert (found.width, found.height) == (64, 96)
    assert Frames(turned, found.digest)[5].shape == (96, 64, 3)


def test_pixels_that_are_not_square_and_sizes_that_change(clip: Path, tmp_path: Path) -> None:
    wide, large, joined = (tmp_path / name for name in ("wide.mp4", "large.mp4", "joined.mkv"))
    encode(["-i", str(clip), "-vf", "setsar=2", str(wide)])
    found = read(wide)
    assert (found.width, found.height) == (192, 64)
    assert 2 * brightest(Frames(clip, file_digest(clip))[5]) == pytest.approx(
        brightest(Frames(wide, found.digest)[5]), abs=2
    )
    encode(["-i", str(clip), "-vf", "scale=144:96", str(large)])
    parts = tmp_path / "parts.txt"
    parts.write_text(f"file {clip}\nfile {large}\n")
    encode(["-f", "concat", "-safe", "0", "-i", str(parts), "-c", "copy", str(joined)])
    frames = Frames(joined, read(joined).digest)
    assert {frames[n].shape for n in range(2 * FRAMES)} == {(64, 96, 3)}


def test_a_frame_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "MAX_PIXELS", 6_000)
    with pytest.raises(ValueError, match="has frames of 96 x 64 pixels; at most 6,000 are read"):
        read(moving(tmp_path / "large.mp4", 2))


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".gif", ".mov"])
def test_other_containers(tmp_path: Path, suffix: str) -> None:
    found = read(moving(tmp_path / f"clip{suffix}", 6))
    assert found.clip is not None
    assert (found.clip.frames, found.width, found.height) == (6, 96, 64)
    assert found.clip.rate == pytest.approx(12, rel=0.05)
    assert brightest(Frames(Path(found.path), found.digest)[5]) > 20


def test_what_is_no_video(tmp_path: Path) -> None:
    text, playlist = tmp_path / "a.mp4", tmp_path / "b.mp4"
    text.write_text("no video")
    playlist.write_text("ffconcat version 1.0\nfile '/etc/hostname'\n")
    for path in (text, playlist):
        with pytest.raises(ValueError, match="is not a video that can be read"):
            read(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read(tmp_path / "missing.mp4")
    with pytest.raises(ValueError, match="is not a file"):
        read(tmp_path)
    sound = tmp_path / "sound.mp4"
    encode(["-f", "lavfi", "-i", "sine=d=0.1", str(sound)])
    with pytest.raises(ValueError, match="is not a video"):
        read(sound)
    cut = tmp_path / "cut.mp4"
    whole = moving(tmp_path / "whole.mp4", 6).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is not a video"):
        read(cut)
    with pytest.raises(ValueError, match="has been changed"):
        Frames(tmp_path / "whole.mp4", "b2:00")
