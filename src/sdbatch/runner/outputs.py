"""Writes pictures and videos, each followed by its record. Runs in writer threads; a failure fails only its job."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sdbatch import files, motion
from sdbatch.errors import Interrupted, RenderError, StoreError
from sdbatch.media import compositing, metadata, png
from sdbatch.runner.context import RunContext
from sdbatch.runner.given_pictures import GivenPictures
from sdbatch.runner.inputs import Inputs
from sdbatch.runner.shot_cache import ShotCache, label
from sdbatch.spec import file_names
from sdbatch.spec.jobs import Job
from sdbatch.spec.renderer import Picture, Pixels, Profile
from sdbatch.store import Record


class Outputs:
    """Writes everything that is rendered under one profile."""

    def __init__(self, context: RunContext, cache: ShotCache, profile: Profile, inputs: Inputs | None = None) -> None:
        self._context = context
        self._given = GivenPictures(context.store, context.worker, inputs or Inputs({}))
        self._cache = cache
        self._profile = profile

    def rendered(self, cost: float) -> None:
        """Count a rendered shot."""
        self._context.results.rendered(cost)

    def write_shot(self, picture: Picture) -> None:
        """Store a video's shot. Raises RenderError if it cannot be encoded, StoreError if it cannot be written."""
        with _job_errors():
            data = png.encode(picture.pixels, label(picture.shot.id, picture.pixels, picture.warnings))
        path = self._context.store.shot(picture.shot.id, self._cache.profile)
        self._context.worker.save(path, [data])
        self._cache.stored(picture.shot.id)

    def write_still(self, i: int, pixels: Pixels, warnings: tuple[str, ...], needed: bool = False) -> None:
        """Write picture job ``i`` and its record. Raises as :meth:`write_shot` does.

        ``needed``: whether videos use the picture as a shot.
        """
        job = self._context.plan[i]
        with _job_errors():
            text, xmp = metadata.png_text(job, self._profile) if self._context.metadata else (None, None)
            data = png.encode(pixels, text, xmp)
            pixel_digest = png.pixel_digest(pixels)
        self._given.keep(job)
        self._context.worker.save(self._context.store.root / job.path, [data])
        record = self._record(job, pixel_digest, files.digest(data), len(data), warnings)
        self._log(record, pixels)
        if needed:
            self._cache.stored(job.id, record)

    def complete(self, i: int) -> None:
        """Write job ``i``, whose shots are all stored."""
        if self._context.plan[i].video is not None:
            self.write_video(i)
        else:
            self.write_stored(i)

    def write_stored(self, i: int) -> None:
        """Write picture job ``i`` from the stored shot of a video."""
        job_id = self._context.plan.ids[i]
        try:
            with _job_errors():
                pixels, warnings = self._cache.load(job_id), self._cache.warnings(job_id)
            self.write_still(i, pixels, warnings)
        except RenderError as e:
            self.fail(i, str(e))

    def write_video(self, i: int) -> None:
        """Assemble video job ``i`` and record it. An interrupted video is left for the next run."""
        self._context.results.progress.video()
        job = self._context.plan[i]
        path = self._context.store.root / job.path
        text = metadata.dumps(metadata.describe(job, self._profile)) if self._context.metadata else None
        files.make_folder(path.parent)
        part, poster = self._context.worker.temporary(path), self._context.worker.temporary(file_names.poster(path))
        try:
            self._given.keep(job)
            pixels, warnings = self._assemble(job, part, poster, text)
            self._publish(job, (part, poster), text, (pixels, warnings))
        except Interrupted:
            return
        except StoreError as e:
            self._context.worker.probe(path.parent)  # a disk error ends the run, an encoder error only this job
            self.fail(i, str(e))
        except RenderError as e:
            self._remove_damaged_shots(job)
            self.fail(i, str(e))
        except Exception as e:
            self.fail(i, f"{type(e).__name__}: {e}")
        finally:
            files.remove(part)
            files.remove(poster)

    def _remove_damaged_shots(self, job: Job) -> None:
        """Remove all damaged shots of ``job`` (loading removes them), so that one more run renders them all."""
        for shot in motion.shots(job):
            with suppress(RenderError):
                self._cache.load(shot.id)

    def fail(self, i: int, error: str, shot_id: str = "") -> None:
        """Record that job ``i`` failed; ``shot_id`` is the shot that caused it, if there is one."""
        job_id = self._context.plan.ids[i]
        text = error if shot_id in ("", job_id) else f"shot {shot_id}: {error}"
        self._context.results.fail(job_id, text, self._cache.profile)

    def _assemble(self, job: Job, part: Path, poster: Path, text: str | None) -> tuple[str, tuple[str, ...]]:
        """Write the video to ``part``; returns the digest of its shots' pixels, in order, and their warnings."""
        seen: dict[str, str] = {}
        load = self._loader(seen)
        sound = self._sound(job)
        each = partial(self._frame, job)
        compositing.assemble(job, load, part, text, poster=poster, each=each, sound=sound)
        ids = [shot.id for shot in motion.shots(job)]
        for shot_id in ids:
            if shot_id not in seen:
                load(shot_id)
        warnings = dict.fromkeys(w for shot_id in ids for w in self._cache.warnings(shot_id))
        return files.digest("\n".join(seen[shot_id] for shot_id in ids).encode()), tuple(warnings)

    def _sound(self, job: Job) -> Path | None:
        """The video's sound file, copied into the folder, so that it can be rendered again from there."""
        audio = job.video.encoding.audio if job.video else None
        if audio is None:
            return None
        path = self._context.store.sound(audio)
        if not path.exists():
            files.make_folder(path.parent)
            part = self._context.worker.temporary(path)
            try:
                shutil.copyfile(audio.path, part)
                if files.file_digest(part) != audio.digest:
                    raise RenderError(f"the sound {audio.path} has been changed since this run began")
                self._context.worker.publish(part, path)
            except FileNotFoundError:
                raise RenderError(f"the sound {audio.digest} is missing; set encoding.audio to its file") from None
            except OSError as e:
                raise files.store_error(e, path) from e
            finally:
                files.remove(part)
        return path

    def _frame(self, job: Job, i: int, pixels: Pixels) -> None:
        """Store frame ``i`` as a PNG if the user requested frames. Raises Interrupted."""
        if self._context.signals.stopped:
            raise Interrupted
        if self._context.frames:
            path = self._context.store.root / "frames" / job.id / f"{i:06d}.png"
            files.make_folder(path.parent)
            self._context.worker.save(path, [png.encode(pixels, {}, None)])

    def _loader(self, seen: dict[str, str]) -> Callable[[str], Pixels]:
        def load(shot_id: str) -> Pixels:
            if self._context.signals.stopped:
                raise Interrupted
            pixels = self._cache.load(shot_id)
            if shot_id not in seen:
                seen[shot_id] = png.pixel_digest(pixels)
            return pixels

        return load

    def _publish(
        self, job: Job, parts: tuple[Path, Path], text: str | None, shots: tuple[str, tuple[str, ...]]
    ) -> None:
        """Publish the sidecar files, then the video, then its record."""
        worker, path = self._context.worker, self._context.store.root / job.path
        part, poster = parts
        size, file_digest = part.stat().st_size, files.file_digest(part)
        if text is not None:
            worker.save(file_names.sidecar(path), [text.encode() + b"\n"])
        worker.publish(poster, file_names.poster(path))
        worker.publish(part, path)
        pixels, warnings = shots
        self._log(self._record(job, pixels, file_digest, size, warnings))

    def _record(self, job: Job, pixels: str, file_digest: str, size: int, warnings: tuple[str, ...]) -> Record:
        profile = self._cache.profile
        return Record(job.id, "done", job.path, pixels, file_digest, size, profile, warnings, origin=job.origin)

    def _log(self, record: Record, pixels: Pixels | None = None) -> None:
        self._context.results.add(record, pixels)
        before = self._context.ledger.get(record.id)
        if before is not None and before.done and before.path != record.path:  # the job's name has changed
            path = self._context.store.file(before)
            for each in (path, *file_names.companions(path)):
                files.remove(each)


@contextmanager
def _job_errors() -> Iterator[None]:
    """Any error of the code inside belongs to one job, as a RenderError; except StoreError, which ends the run."""
    try:
        yield
    except (RenderError, StoreError):
        raise
    except Exception as e:
        raise RenderError(f"{type(e).__name__}: {e}") from e
