"""The torch renderer: loads models and renders shots with them. Combines the other modules of this package."""

from __future__ import annotations

import gc
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from sdbatch.config.runtime import Runtime
from sdbatch.engine import cpu, policy
from sdbatch.engine.attention import order_for
from sdbatch.engine.batching import Server
from sdbatch.engine.calls import Calls
from sdbatch.engine.denoise import Recipe, denoise
from sdbatch.engine.device import cpuinfo, failed_to_compile, prepare, versions
from sdbatch.engine.enlarge import Enlarger
from sdbatch.engine.gpu_errors import device_lost, is_lost, is_out_of_memory, ooms, reason, user_error, watched
from sdbatch.engine.graphs import CudaRecorder
from sdbatch.engine.hints import hints_of
from sdbatch.engine.init_image import init_image, nothing
from sdbatch.engine.lane import Lane, Request
from sdbatch.engine.loaded import Loaded, Settings, vocabulary
from sdbatch.engine.retry_feed import RetryFeed
from sdbatch.engine.selftest import EACH_SIZE
from sdbatch.engine.stats import Stats
from sdbatch.engine.weights import Weights, usual_budget
from sdbatch.errors import ConfigError, RenderError, SdbatchError
from sdbatch.models.source import Source
from sdbatch.spec.canvas import crop, latent
from sdbatch.spec.cost import chunks_of, rendered, table_of, unchanged
from sdbatch.spec.jobs import Shot
from sdbatch.spec.renderer import Bucket, Failure, Feed, Picture, Pixels, Profile

NOT_REQUESTED = "not asked for"  # Profile.exact with runtime.exact=false
INEXACT = "rendered with runtime.exact=false: the result may depend on batch composition"
log = logging.getLogger(__name__)


class Engine:
    """The torch :class:`sdbatch.spec.renderer.Renderer`. Raises ConfigError and RenderError while opening.

    ``sources`` are the models of its shots. The first of them that can be loaded is ``main``: the self-test's verdict
    on it is the profile's. The profile depends on the models of a plan, but not on their order.
    """

    def __init__(self, sources: Sequence[Source], runtime: Runtime) -> None:
        self.stats = Stats()
        try:
            self._open(sources, runtime)
        except Exception as e:
            if (error := user_error(e)) is None:
                raise
            raise error from e

    def _open(self, sources: Sequence[Source], runtime: Runtime) -> None:
        with self.stats.clock("start: device"):
            device = self._device = prepare(runtime)
        self._notes = () if runtime.exact else (INEXACT,)
        self._guard = partial(watched, partial(ooms, device.where)) if runtime.exact else nullcontext
        cuda = device.type == "cuda"
        self._order = order_for(device.type, torch.cuda.get_device_capability(device.where) if cuda else (0, 0))
        chain_rows = policy.CHAIN_ROWS.get(device.type, 0) if runtime.chain_rows is None else runtime.chain_rows
        each_size = self._each_size = runtime.exact and device.type in EACH_SIZE
        settings = Settings(device, self.stats, self._order, runtime.compile, chain_rows, each_size)
        budget = usual_budget(device.where) if runtime.weights is None else int(runtime.weights * 2**30)
        self._weights = Weights(sources, settings, budget)
        with self.stats.clock("start: weights"):
            self._main = self._first_model(sources)
        self._enlarge = Enlarger(sources[0].adapters, device.where)
        self._calls = Calls(device.workers, device.threads, self._guard)
        self.stats.workers = device.workers
        self._hint = (
            cpu.hint(str(device.dtype).removeprefix("torch."), runtime.dtype, cpuinfo()) if device.type == "cpu" else ""
        )
        self._small, self._tested = self.main.small, 0  # rows of the last self-test
        self.profile: Profile = self._profile_of(runtime, settings)
        with self.stats.clock("start: self-test"):
            try:
                self._self_test()
            except Exception as e:
                if runtime.compile and not isinstance(e, SdbatchError) and user_error(e) is None:
                    raise failed_to_compile(e) from e
                raise
        self.stats.reset_counts()

    @property
    def main(self) -> Loaded:
        """The model whose verdict is the profile's; loaded again if it has left the memory."""
        return self._weights.get(self._main)

    def _first_model(self, sources: Sequence[Source]) -> str:
        """The key of the first of ``sources`` that can be loaded; the shots of others will fail. Raises ConfigError."""
        wrong: list[ConfigError] = []
        for source in sources:
            try:
                return self._weights.get(source.model.key).source.model.key
            except ConfigError as e:
                wrong.append(e)
        raise wrong[0]

    def _profile_of(self, runtime: Runtime, settings: Settings) -> Profile:
        device = self._device
        memory = torch.cuda.get_device_properties(device.where).total_memory if settings.cuda else 0
        return Profile(
            renderer="torch",
            device=device.type,
            device_name=device.name,
            dtype=str(device.dtype).removeprefix("torch."),
            rows=runtime.rows or policy.usual_rows(device.type, self._weights.largest(self.main), memory),
            chain_rows=settings.chain_rows,
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
            others = "tested at first use" if self._each_size else "unverified"
            exact = f"{verdict} at {size.height}x{size.width} latents, other sizes {others}"
        return "\n".join(filter(None, (f"{self.profile.line()}, {exact}", self._device.note, self._hint)))

    @property
    def _attention(self) -> str:
        """The profile's name of the attention kernels."""
        return self._device.attention if self._device.attention == "xformers" else str(self._order)

    def bucket(self, shot: Shot) -> Bucket:
        """The shot's bucket. Its number of text chunks is that of the longest of the shot's texts."""
        h, w = latent(rendered(shot), shot.model.scale)
        if unchanged(shot):
            return Bucket(h, w, 0, weights=shot.model.key)
        source = self._weights.source_of(shot)
        chain = bool(self.profile.chain_rows) and shot.start is not None and shot.start.upscaler is None
        chunks = chunks_of(shot, vocabulary(source.vocabulary), source.chunk)
        return Bucket(h, w, chunks, chain, source.key)

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
            room = self._weights if self._weights.several else None
            server = Server(self._calls, self.bucket, self._lane, room)
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
        self._weights.close()
        gc.collect()  # modules have reference cycles
        if self._device.type == "cuda":
            with suppress(torch.AcceleratorError):  # the GPU is lost
                torch.cuda.empty_cache()

    def _lane(self, bucket: Bucket) -> Lane:
        loaded = self._loaded(bucket)
        rows, vae_rows = self._sizes(bucket, loaded)
        if bucket.chain:
            return Lane(loaded, rows, vae_rows, chain=True)
        return Lane(loaded, rows, vae_rows, partial(loaded.tails, bucket, rows))

    def _loaded(self, bucket: Bucket) -> Loaded:
        return self._weights.get(bucket.weights) if bucket.weights else self.main

    def _sizes(self, bucket: Bucket, loaded: Loaded) -> tuple[int, int]:
        """Rows per denoiser call and pictures per VAE call."""
        if bucket.chain:
            return min(self.profile.chain_rows, self.profile.rows), 1
        rows = policy.rows_for(bucket, loaded.native, self.profile.rows, self._device.type)
        return rows, policy.vae_rows_for(bucket.area, loaded.native, self.profile.vae_batch)

    def _request(self, shot: Shot, bucket: Bucket, feed: Feed) -> Request | Picture:
        """The request of ``shot``: its inputs, and the postprocessing of its decoded picture.

        A shot that changes nothing is its picture, enlarged or as it is.
        """
        start = init_image(shot, feed, self._enlarge)
        if start is not None and unchanged(shot):
            self.stats.pictures += 1
            return Picture(shot, start.unchanged)
        model, loaded = shot.model, self._loaded(bucket)
        with self._guard():
            notes = self._notes or self._inexact(loaded) + loaded.exactness.notes(bucket, *self._sizes(bucket, loaded))
            known = start.known(shot, loaded.vae, self._device.where) if start else None
            table = table_of(shot)
            seen = (start or nothing(shot)).seen if loaded.inpaints else None
            picture = seen(shot, loaded.vae, self._device.where) if seen else None
            hints = tuple(hints_of(shot, loaded.controlnets, feed, start)) if shot.controls else ()
            wording = loaded.texts.of(shot, bucket.chunks, table.steps)
        shape = (model.channels, bucket.height, bucket.width)
        recipe = Recipe(shot, table, wording, shape, known, hints, picture)
        left, top, right, bottom = crop(rendered(shot), model.scale)

        def finish(grid: Pixels) -> tuple[Pixels, tuple[str, ...]]:
            self.stats.pictures += 1
            picture = np.ascontiguousarray(grid[top:bottom, left:right])
            picture = start.paste(picture) if start else picture
            picture, blanked = loaded.safety(picture) if loaded.safety else (picture, ())
            return picture, blanked + notes

        return Request(shot, denoise(recipe, self._device.where), table.evaluations, finish)

    def _inexact(self, loaded: Loaded) -> tuple[str, ...]:
        """A warning if the self-test of this model has another verdict than the profile, which is that of ``main``."""
        found = loaded.verdict(self.profile.rows)
        return () if found == self.profile.exact else (f"not exact with these weights: the denoiser's {found}",)

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
        if self._tested == self.profile.rows and self._main not in self._weights.in_memory:
            return
        found = self._verdict()
        if self.profile.exact != NOT_REQUESTED:
            self.profile = replace(self.profile, exact=found)
        self._tested = self.profile.rows

    def _verdict(self) -> str:
        """The self-test's verdict; if cuDNN's attention fails, that of the next kernel."""
        try:
            found = self.main.verdict(self.profile.rows)
            if found == "exact" or not self._without_cudnn(found):
                return found
        except RuntimeError as e:
            if isinstance(e, torch.OutOfMemoryError) or not self._without_cudnn(reason(e)):
                raise
        return self.main.verdict(self.profile.rows)

    def _without_cudnn(self, why: str) -> bool:
        """Remove cuDNN's attention, which changes the profile; whether it was in use."""
        if not self._order.without_cudnn():
            return False
        log.warning("cuDNN's attention failed the self-test (%s): continuing without it", why)
        self.profile = replace(self.profile, attention=self._attention)
        for loaded in self._weights.in_memory.values():
            loaded.exactness.forget()
            if self._device.type == "cuda":  # graphs contain its kernels
                loaded.denoiser.graph(self.profile.chain_rows, CudaRecorder())
        return True
