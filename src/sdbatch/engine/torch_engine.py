"""The torch renderer: loads a model once and renders shots with it. Combines the other modules of this package."""

from __future__ import annotations

import gc
import logging
from collections.abc import Collection, Iterator
from contextlib import nullcontext, suppress
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
from sdbatch.engine.gpu_errors import device_lost, is_lost, is_out_of_memory, ooms, reason, user_error, watched
from sdbatch.engine.graphs import CudaRecorder
from sdbatch.engine.init_image import init_image
from sdbatch.engine.load import Components, load
from sdbatch.engine.norms import applies, norms_in_float32
from sdbatch.engine.retry_feed import RetryFeed
from sdbatch.engine.safety import Safety
from sdbatch.engine.selftest import EACH_SIZE, Exactness, same_bits
from sdbatch.engine.stats import Stats
from sdbatch.engine.text import Texts
from sdbatch.errors import RenderError, SdbatchError
from sdbatch.models.source import Source
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.spec.canvas import Size, crop, latent
from sdbatch.spec.cost import chunks_of, table_of
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Bucket, Failure, Feed, Picture, Pixels, Profile

NOT_REQUESTED = "not asked for"  # Profile.exact with runtime.exact=false
INEXACT = "rendered with runtime.exact=false: the result may depend on batch composition"
log = logging.getLogger(__name__)


class Engine:
    """The torch :class:`sdbatch.spec.renderer.Renderer`. Raises ConfigError and RenderError while opening."""

    def __init__(self, source: Source, runtime: Runtime) -> None:
        self.stats = Stats()
        try:
            self._open(source, runtime)
        except Exception as e:
            if (error := user_error(e)) is None:
                raise
            raise error from e

    def _open(self, source: Source, runtime: Runtime) -> None:
        with self.stats.clock("start: device"):
            self._device = prepare(runtime)
        with self.stats.clock("start: weights"):
            parts = load(source, self._device.where, self._device.dtype)
        self._source = source
        self._vocabulary = Vocabulary.load(source.vocabulary)
        self._tested_tails: dict[tuple[Bucket, int], tuple[int, ...]] = {}
        self._notes = () if runtime.exact else (INEXACT,)
        self._guard = partial(watched, partial(ooms, self._device.where)) if runtime.exact else nullcontext
        self.profile: Profile = self._assemble(parts, runtime)
        with self.stats.clock("start: self-test"):
            try:
                self._self_test()
            except Exception as e:
                if runtime.compile and not isinstance(e, SdbatchError) and user_error(e) is None:
                    raise failed_to_compile(e) from e
                raise
        self.stats.reset_counts()

    def _assemble(self, parts: Components, runtime: Runtime) -> Profile:
        """Wrap the modules; returns the profile."""
        device = self._device
        cuda = device.type == "cuda"
        self._order = order_for(device.type, torch.cuda.get_device_capability(device.where) if cuda else (0, 0))
        if device.attention == "xformers":
            use_xformers(parts.denoiser)
        if applies(device.where, device.dtype):
            norms_in_float32(parts.denoiser)
            norms_in_float32(parts.vae)
        self._denoiser = Denoiser(parts.denoiser, device.where, self.stats, self._order)
        self._vae = Vae(parts.vae, device.where, self.stats, self._order)
        if runtime.compile:
            self._denoiser.compile()
            self._vae.compile()
        memory = torch.cuda.get_device_properties(device.where).total_memory if cuda else 0
        chain_rows = policy.CHAIN_ROWS.get(device.type, 0) if runtime.chain_rows is None else runtime.chain_rows
        self._uncounted = partial(self._denoiser, counted=False)
        self._small = self._small_size(runtime.compile)
        self._fast_calls = device.type == "cpu" and self._denoiser.size < policy.SMALL
        self._calls = Calls(device.workers, device.threads, self._guard)
        self.stats.workers = device.workers
        self._texts = Texts(parts.text, self._vocabulary, self._source.chunk, device.where, self.stats)
        if cuda:
            self._texts.graph(CudaRecorder())
            self._denoiser.graph(chain_rows, CudaRecorder())
        self._hint = (
            cpu.hint(str(device.dtype).removeprefix("torch."), runtime.dtype, cpuinfo()) if device.type == "cpu" else ""
        )
        self._safety = Safety(parts.safety, device.where, device.dtype) if parts.safety else None
        decode = partial(self._vae.decode, counted=False)
        each_size = runtime.exact and device.type in EACH_SIZE
        self._exactness = Exactness(self._uncounted, decode, self._probe_row, device.dtype, each_size)
        return self._profile_of(runtime, chain_rows, memory)

    def _profile_of(self, runtime: Runtime, chain_rows: int, memory: int) -> Profile:
        device = self._device
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
            exact="not tested" if runtime.exact else NOT_REQUESTED,
            versions=versions(device, runtime.compile),
        )

    @property
    def about(self) -> str:
        """Device, precision, rows and attention, and at which sizes equal bits were tested."""
        if self.profile.exact == NOT_REQUESTED:
            exact = "not exact (runtime.exact=false)"
        else:
            size = self._small
            verdict = self.profile.exact if self.profile.exact == "exact" else f"not exact ({self.profile.exact})"
            others = "tested at first use" if self._exactness.each_size else "unverified"
            exact = f"{verdict} at {size.height}x{size.width} latents, other sizes {others}"
        return "\n".join(filter(None, (f"{self.profile.line()}, {exact}", self._device.note, self._hint)))

    @property
    def _attention(self) -> str:
        """The profile's name of the attention kernels."""
        return self._device.attention if self._device.attention == "xformers" else str(self._order)

    def bucket(self, shot: Shot) -> Bucket:
        """The shot's bucket. Its number of text chunks is that of the longest of the shot's texts."""
        h, w = latent(Size(shot.width, shot.height), shot.model.scale)
        chain = bool(self.profile.chain_rows) and shot.start is not None
        return Bucket(h, w, chunks_of(shot, self._vocabulary, self._source.chunk), chain)

    def render(self, feed: Feed) -> Iterator[Picture | Failure]:
        """Yields results in the order of completion. Out of memory halves the rows per call: another profile.

        Raises DeviceLost if the GPU has failed.
        """
        try:
            yield from self._render(feed)
        except Exception as e:
            if is_lost(e):
                raise device_lost(e) from e
            raise

    def _render(self, feed: Feed) -> Iterator[Picture | Failure]:
        again = RetryFeed(feed, self.bucket)
        while True:
            server = Server(Nets(self._denoiser, self._vae, self._calls), self.bucket, self._lane)
            try:
                self._self_test()
                yield from server.run(again, self._request)
                return
            except Exception as e:
                if not is_out_of_memory(e):
                    raise
                why = reason(e)
            yield from server.rescue()
            if self.profile.rows > 1:
                again.requeue(server.active.values())
                self._fewer_rows(why)
            else:
                yield from self._too_large(server.active.values(), why)

    @staticmethod
    def _too_large(shots: Collection[Shot], why: str) -> Iterator[Failure]:
        """Failures of ``shots``: the memory is too small for one row."""
        text = f"out of memory even with one row per call: {why}"
        if not shots:
            raise RenderError(text)
        yield from (Failure(shot, text) for shot in shots)

    def close(self) -> None:
        """Release the memory."""
        self._calls.close()
        del self._denoiser, self._uncounted, self._exactness, self._vae, self._texts, self._safety
        gc.collect()  # modules have reference cycles
        if self._device.type == "cuda":
            with suppress(torch.AcceleratorError):  # the GPU is lost
                torch.cuda.empty_cache()

    def _lane(self, bucket: Bucket) -> Lane:
        rows, vae_rows = self._sizes(bucket)
        if bucket.chain:
            return Lane(rows, vae_rows, chain=True)
        return Lane(rows, vae_rows, partial(self._tails, bucket, rows))

    def _sizes(self, bucket: Bucket) -> tuple[int, int]:
        """Rows per denoiser call and pictures per VAE call."""
        if bucket.chain:
            return min(self.profile.chain_rows, self.profile.rows), 1
        native = (self._source.native // self._source.model.scale) ** 2
        rows = policy.rows_for(bucket, native, self.profile.rows, self._device.type)
        return rows, policy.vae_rows_for(bucket.area, native, self.profile.vae_batch)

    def _tails(self, bucket: Bucket, rows: int) -> tuple[int, ...]:
        """Smaller call sizes that give the same bits in this bucket; tested, if a test is fast."""
        smaller = tuple(n for n in policy.TAILS if n < rows)
        if not (self._fast_calls and smaller):
            return ()
        if (bucket, rows) not in self._tested_tails:
            self._tested_tails[bucket, rows] = same_bits(self._uncounted, self._probe_row(bucket), rows, smaller)
        return self._tested_tails[bucket, rows]

    def _request(self, shot: Shot, bucket: Bucket, feed: Feed) -> Request:
        """The request of ``shot``: its inputs, and the postprocessing of its decoded picture."""
        model = shot.model
        start = init_image(shot, shot.start, feed) if shot.start else None
        with self._guard():
            notes = self._notes or self._exactness.notes(bucket, *self._sizes(bucket))
            known = start.known(shot, self._vae, self._device.where) if start else None
            table = table_of(shot)
            wording = self._texts.of(shot, bucket.chunks, table.steps)
        shape = (model.channels, bucket.height, bucket.width)
        recipe = Recipe(shot, table, wording, shape, known)
        left, top, right, bottom = crop(Size(shot.width, shot.height), model.scale)

        def finish(grid: Pixels) -> tuple[Pixels, tuple[str, ...]]:
            self.stats.pictures += 1
            picture = np.ascontiguousarray(grid[top:bottom, left:right])
            picture = start.paste(picture) if start else picture
            picture, blanked = self._safety(picture) if self._safety else (picture, ())
            return picture, blanked + notes

        return Request(shot, denoise(recipe, self._device.where), table.evaluations, finish)

    def _fewer_rows(self, reason: str) -> None:
        rows, vae = self.profile.rows // 2, max(1, self.profile.vae_batch // 2)
        log.warning(
            "out of memory with %d rows per call (%s): now %d, which is another profile; runtime.rows=%d avoids this",
            *(self.profile.rows, reason, rows, rows),
        )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self.profile = replace(self.profile, rows=rows, vae_batch=vae)

    @torch.inference_mode()
    def _self_test(self) -> None:
        """Set the profile's verdict, from a test at a small size. Repeated after the rows per call are halved."""
        if self._fast_calls and not self.profile.chain_rows:  # _tails may be asked for
            self._denoiser.full_rows(self.profile.rows)
        found = self._verdict()
        if self.profile.exact != NOT_REQUESTED:
            self.profile = replace(self.profile, exact=found)

    def _verdict(self) -> str:
        """The self-test's verdict; if cuDNN's attention fails, that of the next kernel."""
        try:
            found = self._exactness.denoiser(self._small, self.profile.rows)
            if found == "exact" or not self._without_cudnn(found):
                return found
        except RuntimeError as e:
            if isinstance(e, torch.OutOfMemoryError) or not self._without_cudnn(reason(e)):
                raise
        return self._exactness.denoiser(self._small, self.profile.rows)

    def _without_cudnn(self, why: str) -> bool:
        """Remove cuDNN's attention, which changes the profile; whether it was in use."""
        if not self._order.without_cudnn():
            return False
        log.warning("cuDNN's attention failed the self-test (%s): continuing without it", why)
        self._exactness.forget()
        self.profile = replace(self.profile, attention=self._attention)
        if self._device.type == "cuda":  # graphs contain its kernels
            self._denoiser.graph(self.profile.chain_rows, CudaRecorder())
        return True

    def _small_size(self, compiled: bool) -> Bucket:
        """The bucket of the self-test: small, or of the native size if every shape is compiled."""
        side = self._source.native // self._source.model.scale
        if not compiled:
            side = min(side, 16 if self._device.type == "cuda" or self._denoiser.size < policy.SMALL else 8)
        return Bucket(side, side, 1)

    def _probe_row(self, bucket: Bucket) -> Row:
        """A row in the shape of ``bucket``, as a representative of all others."""
        shape = (self._source.model.channels, bucket.height, bucket.width)
        latent = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        text = self._texts.embedding("a photo of a cat").repeat(bucket.chunks, 1)
        return Row(latent.to(self._device.where), 500.0, text)
