"""Keeps the pictures that shots were given beside the results, as ``spec.given_files`` names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdbatch.media import png
from sdbatch.media.control_picture import control_picture
from sdbatch.pictures.masks import prepared
from sdbatch.runner.inputs import Inputs
from sdbatch.spec import given_files
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Pixels
from sdbatch.store import Store, Worker


class GivenPictures:
    """``inputs`` has the pixels of users' pictures."""

    def __init__(self, store: Store, worker: Worker, inputs: Inputs) -> None:
        self._store = store
        self._worker = worker
        self._inputs = inputs

    def keep(self, job: Job) -> None:
        """Write the pictures given to ``job`` that are not there. Raises RenderError and StoreError."""
        missing = (given for given in given_files.of(job) if not (self._store.root / given.path).exists())
        for path, pixels in self._made(missing):
            self._worker.save(self._store.root / path, [png.encode(pixels, {}, None)])

    def _made(self, files: Iterator[given_files.Given]) -> Iterator[tuple[Path, Pixels]]:
        for given in files:
            if given.control is not None and given.control.picture is not None:
                photo = self._inputs.pixels(given.control.picture)
                yield given.path, control_picture(photo, given.control.preprocess, given.size)
            if given.init is not None:
                yield given.path, prepared(given.init, given.size, self._inputs.pixels)[0]
