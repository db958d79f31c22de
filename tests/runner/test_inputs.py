"""The runner gives renderers the pixels of users' pictures, and refuses files that have changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdbatch.errors import RenderError
from sdbatch.pictures.read import read
from sdbatch.runner.inputs import Inputs


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
