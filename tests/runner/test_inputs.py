"""The runner gives renderers the pixels of users' pictures, and refuses files that have changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdbatch.errors import RenderError
from sdbatch.pictures import clips
from sdbatch.pictures.read import read
from sdbatch.runner.inputs import Inputs
from tests.clips import moving


def test_pixels_by_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 3), (9, 8, 7)).save(path)
    picture = read(path)
    found = Inputs({}).pixels(picture)
    assert np.array_equal(found, np.full((3, 4, 3), (9, 8, 7)))
    assert not found.flags.writeable
    elsewhere = replace(picture, path="gone.png")
    assert np.array_equal(Inputs({picture.digest: path}).pixels(elsewhere), found)
    with pytest.raises(RenderError, match=r"the picture gone\.png: it cannot be read: No such file"):
        Inputs({}).pixels(elsewhere)
    Image.new("RGB", (4, 3)).save(path)
    with pytest.raises(RenderError, match="it has been changed since this run began"):
        Inputs({}).pixels(picture)


def test_frames_of_videos(tmp_path: Path) -> None:
    path = moving(tmp_path / "a.mp4", 6)
    video = clips.read(path)
    inputs = Inputs({})
    first, last = (inputs.pixels(video.at(seconds)) for seconds in (0, 9))
    assert first.shape == last.shape == (64, 96, 3)
    assert not np.array_equal(first, last)
    moving(path, 7)
    with pytest.raises(RenderError, match=r"the video .*a\.mp4: it has been changed since this run began"):
        Inputs({}).pixels(video.at(0))
    with pytest.raises(RenderError, match=r"the video gone\.mp4: it cannot be read"):
        Inputs({}).pixels(replace(video, path="gone.mp4"))
