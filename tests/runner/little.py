"""Small plans of real jobs for the tests of store and runner, and a chain of shots as later modes will have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from sdbatch import motion
from sdbatch.engine.fake import FakeRenderer, Faults
from sdbatch.motion.mode import Mode
from sdbatch.motion.settings import Motion
from sdbatch.spec.jobs import Encoding, Frame, Job, Layer, Model, Shot
from sdbatch.spec.start import Start
from sdbatch.store import Store

BASE = Shot(Model("fake"), "a sea", "", 0, 32, 24, "ddim", 4, 6.0)


class LittlePlan(Sequence[Job]):
    """Jobs made on demand, as the real plan makes them."""

    def __init__(self, make: Callable[[int], Job], n: int) -> None:
        self._make = make
        self.ids = [make(i).id for i in range(n)]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i):
        if not 0 <= i < len(self):
            raise IndexError(i)
        return self._make(i)


def still(seed: int, prompt: str = "a sea", size: tuple[int, int] = (32, 24), slug: str = "a-sea") -> Job:
    shot = replace(BASE, prompt=prompt, seed=seed, width=size[0], height=size[1])
    return motion.make(shot, Motion(), Encoding(), slug, (("seeds", str(seed)),))


def video(frames: int = 6, fps: int = 24, seed: int = 0, mode: str = "prompt", prompt: str = "a sea") -> Job:
    shot = replace(BASE, seed=seed, prompt=prompt)
    phrase = "frame {frame}" if mode == "prompt" else ""
    return motion.make(shot, Motion(mode=mode, frames=frames, fps=Fraction(fps), phrase=phrase), Encoding(), "film")


def plan(*jobs: Job) -> LittlePlan:
    return LittlePlan(jobs.__getitem__, len(jobs))


def stills(n: int, **more) -> LittlePlan:
    return LittlePlan(lambda i: still(i, **more), n)


def _chain_shots(base: Shot, settings: Motion) -> Iterator[Shot]:
    """Shot k starts from shot k-1 and takes the colours of the first."""
    first = shot = base
    yield shot
    for k in range(1, settings.count):
        colours = "" if k == 1 else first.id
        shot = replace(base, seed=base.seed + k, start=Start(shot.id, 0.5, colours=colours))
        yield shot


def _chain_frames(base: Shot, settings: Motion) -> Iterator[Frame]:
    yield from ((Layer(k),) for k in range(settings.count))


CHAIN = Mode(frozenset(), _chain_shots, _chain_frames)


class Opener:
    """Opens fake renderers and says how often, and what they rendered."""

    def __init__(self, faults: Faults | None = None, rows: int = 4, delay: float = 0.0) -> None:
        self.faults, self.rows, self.delay = faults, rows, delay
        self.opened = 0
        self.rendered: list[str] = []

    def __call__(self) -> FakeRenderer:
        self.opened += 1
        opener = self

        class Watched(FakeRenderer):
            def render(self, feed):
                for result in super().render(feed):
                    opener.rendered.append(result.shot.id)
                    yield result

        return Watched(self.delay, self.faults, self.rows)


def digests(store: Store) -> dict[str, tuple[str, str]]:
    """What is done: id -> (pixels, file)."""
    return {r.id: (r.pixels, r.file) for r in store.ledger().records() if r.done}


def tree(root: Path) -> dict[str, bytes]:
    """Every file under ``root``."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
