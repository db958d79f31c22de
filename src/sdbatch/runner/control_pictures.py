"""Keeps what ControlNets saw beside the results: ``controls/``, once for each picture, preprocessor and size."""

from __future__ import annotations

from pathlib import Path

from sdbatch.media import png
from sdbatch.media.control_picture import control_picture
from sdbatch.runner.inputs import Inputs
from sdbatch.spec.control import Control
from sdbatch.spec.jobs import Shot
from sdbatch.store import Store, Worker

FOLDER = "controls"


class ControlPictures:
    """``inputs`` has the pixels of users' pictures."""

    def __init__(self, store: Store, worker: Worker, inputs: Inputs) -> None:
        self._store = store
        self._worker = worker
        self._inputs = inputs

    def keep(self, shot: Shot) -> None:
        """Write the control pictures of ``shot`` that are not there. Raises RenderError and StoreError."""
        for control in shot.controls:
            size = (shot.width, shot.height)
            path = self._store.root / place(control, size)
            if not path.exists():
                pixels = control_picture(self._inputs.pixels(control.picture), control.preprocess, size)
                self._worker.save(path, [png.encode(pixels, {}, None)])


def places(shot: Shot) -> list[Path]:
    """The paths of the control pictures of ``shot`` in the folder of results."""
    return [place(control, (shot.width, shot.height)) for control in shot.controls]


def place(control: Control, size: tuple[int, int]) -> Path:
    """The path in the folder of results."""
    frame = "" if control.picture.frame is None else f"-{control.picture.frame:05d}"
    return Path(FOLDER, f"{control.picture.digest[3:19]}{frame}-{control.preprocess}-{size[0]}x{size[1]}.png")
