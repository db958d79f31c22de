"""Paints many scenes with several processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

import numpy as np

from training.second.painter import paint
from training.second.scene import Scene

CHUNK = 16


def _paint_some(scenes: list[Scene]) -> list[np.ndarray]:
    return [paint(scene) for scene in scenes]


def paint_all(scenes: Iterable[Scene], workers: int = 1) -> Generator[np.ndarray, None, None]:
    """The pictures of `scenes` in order, painted by `workers` processes (by this one where it is 1).

    Only a few chunks are ahead of what was taken, so an endless stream may be given, and closing is quick.
    """
    rest = iter(scenes)
    if workers <= 1:
        yield from map(paint, rest)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        ahead: deque[Future[list[np.ndarray]]] = deque()
        while True:
            while len(ahead) < 3 * workers and (chunk := list(islice(rest, CHUNK))):
                ahead.append(pool.submit(_paint_some, chunk))
            if not ahead:
                return
            yield from ahead.popleft().result()
