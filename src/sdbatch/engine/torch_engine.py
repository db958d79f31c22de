"""The torch renderer: loads a model once and serves shots from it. Puts the other files of this folder together."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from sdbatch.config.runtime import Runtime
from sdbatch.engine import cpu, policy
from sdbatch.engine.attention import order_for, use_xformers
from sdbatch.engine.batching import Lane, Nets, Request, Server
from sdbatch.engine.calls import Calls
from sdbatch.engine.decode import Vae
from sdbatch.engine.denoise import Recipe, Row, denoise
from sdbatch.engine.denoiser import Denoiser
from sdbatch.engine.device import cpuinfo, failed_to_compile, prepare, versions
from sdbatch.engine.graphs import CudaRecorder
from sdbatch.engine.init_image import init_image
from sdbatch.engine.load import Components, load
from sdbatch.engine.safety import Safety
from sdbatch.engine.selftest import Verdict, probe, same_bits
from sdbatch.engine.stats import Stats
from sdbatch.engine.text import Texts
from sdbatch.models.locate import Source
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.spec.canvas import Size, crop, latent
from sdbatch.spec.cost import chunks_of, table_of
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Bucket, Failure, Feed, Picture, Pixels, Profile

INEXACT = "rendered with runtime.exact=false: the result may depend on batch composition"
log = logging.getLogger(__name__)


class Engine:
    """A :class:`sdbatch.spec.renderer.Renderer`. ``stats`` counts its work; ``verdict`` is the self-test's."""

    def __init__(self, source: Source, runtime: Runtime) -> None:
        self.stats = Stats()
        with self.stats.clock("start: device"):
            self._device = prepare(runtime)
        with self.stats.clock("start: weights"):
            parts = load(source, self._device.where, self._device.dtype)
        self._source = source
        self._vocabulary = Vocabulary.load(source.vocabulary)
        self._proven: dict[tuple[Bucket, int], tuple[int, ...]] = {}
        self._notes = () if runtime.exact else (INEXACT,)
        self.profile: Profile = self._assemble(parts, runtime)
        with self.stats.clock("start: self-test"), torch.inference_mode():
            try:
                self.verdict = self._judge(runtime.compile)
            except Exception as e:
                if runtime.compile and not isinstance(e, torch.OutOfMemoryError):
                    raise failed_to_compile(e) from e
                raise
        self.profile = replace(self.profile, exact=self.verdict.text if runtime.exact else "not asked for")
        self.stats.reset_counts()

    def _assemble(self, parts: Components, runtime: Runtime) -> Profile:
        """Wrap the modules; the profile that results."""
        device = self._device
        cuda = device.type == "cuda"
        self._order = order_for(device.type, torch.cuda.get_device_capability(device.where) if cuda else (0, 0))
        if device.attention == "xformers":
            use_xformers(parts.denoiser)
        self._denoiser = Denoiser(parts.denoiser, device.where, self.stats, self._order)
        self._vae = Vae(parts.vae, device.where, self.stats, self._order)
        if runtime.compile:
            self._denoiser.compile()
            self._vae.compile()
        memory = torch.cuda.get_device_properties(device.where).total_memory if cuda else 0
        chain_rows = policy.CHAIN_ROWS.get(device.type, 0) if runtime.chain_rows is None else runtime.chain_rows
        self._uncounted = partial(self._denoiser, counted=False)
        self._quick = device.type == "cpu" and self._denoiser.size < policy.SMALL
        self._calls = Calls(device.workers, device.threads)
        self.stats.workers = device.workers
        self._texts = Texts(parts.text, self._vocabulary, self._source.chunk, device.where, self.stats)
        if cuda:
            self._texts.graph(CudaRecorder())
            self._denoiser.graph(chain_rows, CudaRecorder())
        if device.type == "cpu" and (
            hint := cpu.hint(str(device.dtype).removeprefix("torch."), runtime.dtype, cpuinfo())
        ):
            log.info(hint)
        self._safety = Safety(parts.safety, device.where, device.dtype) if parts.safety else None
        return Profile(
            renderer="torch",
            device=device.type,
            device_name=device.name,
            dtype=str(device.dtype).removeprefix("torch."),
            rows=runtime.rows or policy.usual_rows(device.type, self._denoiser.size, memory),
            chain_rows=chain_rows,
            vae_batch=runtime.vae_batch or policy.VAE_BATCH[device.type],
            threads=device.threads,
            attention=self._attention,
            compile=runtime.compile,
            versions=versions(),
        )

    @property
    def _attention(self) -> str:
        """As the profile names it."""
        return self._device.attention if self._device.attention == "xformers" else str(self._order)

    def bucket(self, shot: Shot) -> Bucket:
        """Latent height and width, text chunks (those of the longest text that the shot looks at), chain or not."""
        h, w = latent(Size(shot.width, shot.height), shot.model.scale)
        chain = bool(self.profile.chain_rows) and shot.start is not None
        return Bucket(h, w, chunks_of(shot, self._vocabulary, self._source.chunk), chain)

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        """Results in the order they get done. Out of memory halves the rows: another profile, nothing done is lost."""
        again = RetryFeed(feed, self.bucket)
        while True:
            server = Server(Nets(self._denoiser, self._vae, self._calls), self.bucket, self._lane)
            try:
                yield from server.run(again, self._request)
                return
            except torch.OutOfMemoryError as e:
                reason = str(e).split(". ")[0]
            yield from server.rescue()
            if self.profile.rows > 1:
                again.put_back(server.active.values())
                self._fewer_rows(reason)
            else:
                yield from (
                    Failure(shot, f"out of memory even with one row per call: {reason}")
                    for shot in server.active.values()
                )

    def close(self) -> None:
        """Give the memory back."""
        self._calls.close()
        del self._denoiser, self._vae, self._texts, self._safety
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _lane(self, bucket: Bucket) -> Lane:
        if bucket.chain:
            return Lane(min(self.profile.chain_rows, self.profile.rows), 1, chain=True)
        native = (self._source.native // self._source.model.scale) ** 2
        rows = policy.rows_for(bucket, native, self.profile.rows, self._device.type)
        vae_rows = policy.vae_rows_for(bucket.area, native, self.profile.vae_batch)
        return Lane(rows, vae_rows, partial(self._tails, bucket, rows))

    def _tails(self, bucket: Bucket, rows: int) -> tuple[int, ...]:
        """Smaller calls that give the same bits in this bucket, where to find out is quick: tested, not believed."""
        smaller = tuple(n for n in policy.TAILS if n < rows)
        if not (self._quick and smaller):
            return ()
        if (bucket, rows) not in self._proven:
            seed = torch.Generator().manual_seed(1)
            latent = torch.randn(self._source.model.channels, bucket.height, bucket.width, generator=seed)
            text = self._texts.embedding("a photo of a cat").repeat(bucket.chunks, 1)
            self._proven[bucket, rows] = same_bits(self._uncounted, Row(latent, 500.0, text), rows, smaller)
        return self._proven[bucket, rows]

    def _request(self, shot: Shot, bucket: Bucket, feed: Feed) -> Request:
        """Everything that ``shot`` needs before its first row, and what is done with its decoded picture."""
        model = shot.model
        start = init_image(shot, shot.start, feed) if shot.start else None
        known = start.known(shot, self._vae, self._device.where) if start else None
        cond, uncond = self._texts.of(shot, bucket.chunks)
        shape = (model.channels, bucket.height, bucket.width)
        table = table_of(shot)
        recipe = Recipe(shot, table, cond, uncond, shape, known)
        left, top, right, bottom = crop(Size(shot.width, shot.height), model.scale)

        def finish(grid: Pixels) -> tuple[Pixels, tuple[str, ...]]:
            self.stats.pictures += 1
            picture = np.ascontiguousarray(grid[top:bottom, left:right])
            picture = start.paste(picture) if start else picture
            picture, blanked = self._safety(picture) if self._safety else (picture, ())
            return picture, blanked + self._notes

        return Request(shot, denoise(recipe, self._device.where), table.evaluations, finish)

    def _fewer_rows(self, reason: str) -> None:
        rows, vae = self.profile.rows // 2, max(1, self.profile.vae_batch // 2)
        log.warning(
            "out of memory with %d rows per call (%s): going on with %d, another profile; runtime.rows=%d avoids this",
            *(self.profile.rows, reason, rows, rows),
        )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self.profile = replace(self.profile, rows=rows, vae_batch=vae)

    def _judge(self, compiled: bool) -> Verdict:
        """The self-test's verdict; where cuDNN's attention does not pass, that of the next kernel."""
        try:
            verdict = self._self_test(compiled)
            if verdict.text == "exact" or not self._without_cudnn(verdict.text):
                return verdict
        except RuntimeError as e:
            if not self._without_cudnn(str(e).split("\n")[0]):
                raise
        return self._self_test(compiled)

    def _without_cudnn(self, reason: str) -> bool:
        """Take cuDNN's attention out of the order: another profile. Whether it was in."""
        if not self._order.without_cudnn():
            return False
        log.warning("cuDNN's attention failed the self-test (%s): going on without it", reason)
        self.profile = replace(self.profile, attention=self._attention)
        if self._device.type == "cuda":  # graphs hold its kernels
            self._denoiser.graph(self.profile.chain_rows, CudaRecorder())
        return True

    def _self_test(self, compiled: bool) -> Verdict:
        """A probe at a small size (a second's work at most), or at the native one where every shape is compiled."""
        model, rows = self._source.model, self.profile.rows
        side = self._source.native // model.scale
        if not compiled:
            side = min(side, 16 if self._device.type == "cuda" or self._denoiser.size < policy.SMALL else 8)
        latent = torch.randn(model.channels, side, side, generator=torch.Generator().manual_seed(0))
        row = Row(latent.to(self._device.where), 500.0, self._texts.embedding("a photo of a cat"))
        return probe(self._denoiser, row, rows, () if compiled else (rows * 2,))


class RetryFeed:
    """A feed that first hands out shots that were in flight when memory ran out."""

    def __init__(self, feed: Feed, bucket: Callable[[Shot], Bucket]) -> None:
        self._feed = feed
        self._bucket = bucket
        self._shots: deque[Shot] = deque()

    def put_back(self, shots: Iterable[Shot]) -> None:
        self._shots.extend(shots)

    def take(self, bucket: Bucket | None = None, but: Collection[Bucket] = ()) -> Shot | None:
        for shot in self._shots:
            if (own := self._bucket(shot)) == bucket or (bucket is None and own not in but):
                self._shots.remove(shot)
                return shot
        return self._feed.take(bucket, but)

    def picture(self, shot_id: str) -> Pixels:
        return self._feed.picture(shot_id)
