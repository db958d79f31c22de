"""What the routes call: plain data in, plain data out. Knows nothing of HTTP.

What the first answer does not need is imported later: plans, galleries, readers.
"""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdbatch.config.experiment import Experiment
from sdbatch.config.folders import conf_dir
from sdbatch.errors import ConfigError
from sdbatch.spec.limits import FLAT
from sdbatch.studio import describe
from sdbatch.studio.dispatcher import Dispatcher
from sdbatch.studio.events import Events
from sdbatch.studio.form import Form, Opened, Wanted, problems
from sdbatch.studio.guard import UPLOAD_LIMIT
from sdbatch.studio.queue import Entry, Queue, new_id
from sdbatch.studio.workspace import Workspace
from sdbatch.version import __version__

if TYPE_CHECKING:
    from sdbatch.studio.check import Checks
    from sdbatch.studio.imports import Imports

PAUSE = 0.2  # seconds until the page is drawn; then the first check is prepared
MAX_LISTED = 500  # experiments
FILM = {"motion.mode": "zoom", "motion.seconds": 6, "motion.zoom": [[0, 1.0], ["end", 4.0, "in_out_sine"]]}
PICTURE = {"canvas": ["1:1"], "seeds": "0"}


class Studio:
    """``experiment`` is what the studio was started with: it fills the form."""

    def __init__(self, experiment: Experiment, anywhere: bool) -> None:
        settings = experiment.studio
        self._experiment = experiment
        self.workspace = Workspace(settings.folder, experiment.output.folder, anywhere)
        self._server = secrets.token_hex(6)
        self.events = Events(self.snapshot, self.progress)
        self._queue = Queue(Path("runs") / "studio" / "queue.json", self._changed)
        self._dispatcher = Dispatcher(self._queue, self.events.notify)

    def start(self) -> None:
        """Go on with the queue."""
        self._dispatcher.start()
        self._dispatcher.wake()

    def stop(self) -> None:
        """End the renderer process in order."""
        self.events.close()
        self._dispatcher.stop()

    def _changed(self) -> None:
        self.events.notify()
        self._dispatcher.wake()

    @cached_property
    def _checks(self) -> Checks:
        from sdbatch.studio.check import Checks

        return Checks(self.workspace)

    @cached_property
    def _imports(self) -> Imports:
        from sdbatch.studio.imports import Imports

        return Imports(self.workspace, self._experiment)

    def _prepare(self, form: Form) -> None:
        """Load what the first check needs, while the user looks at the form."""
        self.check(form)

    # The form

    def form(self) -> dict[str, Any]:
        """Everything that the page needs to draw the form."""
        start = self._start()
        first = Form(model=start["model"], fields={"prompts": "a"})
        later = threading.Timer(PAUSE, self._prepare, (first,))
        later.daemon = True
        later.start()
        return describe.form(start, __version__, UPLOAD_LIMIT)

    def _start(self) -> dict[str, Any]:
        """What the form shows at first: what the studio was started with."""
        own = self._experiment.model_dump(mode="json", exclude_defaults=True, exclude={"studio", "task", "output"})
        name, given = own.pop("name", ""), describe.dotted(own)
        model = describe.model_named(self._experiment.model.model_dump(mode="json"))
        found = {k: v for k, v in given.items() if k in describe.fields() and v != describe.model_value(model, k)}
        film = self._experiment.motion.mode != "still"
        fields = PICTURE | ({} if film else FILM) | found
        return {"kind": "film" if film else "picture", "model": model, "name": name, "fields": fields}

    def check(self, form: Form) -> dict[str, Any]:
        return self._checks.check(form)

    def estimate(self, form: Form) -> dict[str, Any]:
        return self._checks.check(form, patient=True)

    def camera(self, form: Form) -> dict[str, Any]:
        """The path of the camera; a form that has no prompt yet has one as well."""
        film = form.model_copy(update={"kind": "film", "fields": form.fields | {"prompts": "a prompt"}})
        from sdbatch.studio import camera

        try:
            return {"problems": [], **camera.path(self.workspace.draft(film))}
        except ConfigError as e:
            return {"problems": problems(e)}

    def render(self, form: Form) -> dict[str, Any]:
        """Write the experiment and put it into the queue."""
        if found := self._checks.check(form)["problems"]:
            return _refused(found)
        try:
            draft = self.workspace.write(form)
        except ConfigError as e:
            return _refused(problems(e))
        kind: Literal["picture", "film"] = form.kind
        entry = Entry(new_id(), draft.experiment.name, str(draft.file), kind, draft.title, form.model, draft.command)
        return self._queued(entry, draft.yaml)

    def final(self, wanted: Wanted) -> dict[str, Any]:
        """Write the experiment of a final and put it into the queue."""
        from sdbatch.studio import finals

        try:
            made = finals.write(self.workspace, self._imports, wanted)
        except ConfigError as e:
            return _refused([{"key": p.key, "text": str(p), "full": str(p)} for p in e.problems])
        kind = made.experiment.model.kind
        entry = Entry(new_id(), made.name, str(made.file), "final", f"{wanted.name}: final", kind, made.command)
        return self._queued(entry, made.yaml)

    def _queued(self, entry: Entry, yaml: str) -> dict[str, Any]:
        kept = self._queue.add(entry)
        return {
            "problems": [],
            "entry": self._shown(kept),
            "yaml": yaml,
            "file": kept.file,
            "command": kept.command,
        }

    # The queue

    def snapshot(self) -> dict[str, Any]:
        """The queue, as every page shows it."""
        return {
            **self._queue.snapshot(self._shown),
            "server": self._server,
            "renderer": dict(self._dispatcher.renderer),
        }

    def progress(self) -> dict[str, Any] | None:
        """How the running entry goes."""
        entry = self._queue.running
        if entry is None:
            return None
        shown = self._shown(entry)
        keys = ("id", "progress", "done", "failed", "latest", "jobs", "gallery")
        return {"version": self._queue.version, "server": self._server, **{k: shown[k] for k in keys}}

    def _shown(self, entry: Entry) -> dict[str, Any]:
        from sdbatch.gallery.thumbs import ThumbFolder

        progress = self._dispatcher.progress if entry.state == "running" else None
        root = f"/gallery/{entry.name}"
        thumbs = ThumbFolder(Path(), entry.jobs > FLAT)
        latest = f"{root}/gallery/thumbs/{thumbs.name(entry.latest)}" if entry.latest else None
        written = self.workspace.output / entry.name / "gallery" / "state.js"  # the last file of a new page
        gallery = f"{root}/index.html" if written.is_file() else None
        return asdict(entry) | {"progress": progress and dict(progress), "latest": latest, "gallery": gallery}

    def again(self, entry_id: str) -> None:
        self._queue.again(entry_id)

    def move(self, entry_id: str, how: Literal["up", "down", "first"]) -> None:
        self._queue.move(entry_id, how)

    def remove(self, entry_id: str) -> None:
        self._queue.remove(entry_id)

    def clear(self) -> None:
        self._queue.clear()

    def pause(self, paused: bool) -> None:
        self._queue.pause(paused)

    def cancel(self, entry_id: str) -> None:
        """Cancel one entry. Raises KeyError and Conflict."""
        with self._queue.lock:
            self._dispatcher.cancel(self._queue.in_state(entry_id, "waiting", "running"))

    def cancel_all(self, but: str = "") -> None:
        """Cancel all entries that wait or are rendered, but not ``but``. Raises KeyError."""
        with self._queue.lock:
            if but:
                self._queue.get(but)
            for entry in self._queue.entries():
                if not entry.ended and entry.id != but:
                    self._dispatcher.cancel(entry)

    # Start from what is there

    def dropped(self, name: str, data: bytes, model: str) -> dict[str, Any]:
        try:
            return self._imports.dropped(name, data, model or self._imports.usual).data()
        except ConfigError as e:
            return {"error": str(e)}

    def open(self, wanted: Opened) -> dict[str, Any]:
        try:
            if wanted.shipped is not None:
                return self._imports.shipped(wanted.shipped).data()
            return self._imports.opened(wanted.name or "").data()
        except ConfigError as e:
            return {"error": str(e)}

    def experiments(self) -> dict[str, Any]:
        """The user's experiments, by name, and the shipped ones."""
        names: dict[str, dict[str, Any]] = {}
        for file in sorted(self.workspace.folder.glob("*.yaml"))[:MAX_LISTED]:
            names[file.stem] = {"name": file.stem, "file": str(file), "about": describe.about(file)}
        for plan in sorted(self.workspace.output.glob("*/plan.jsonl"))[:MAX_LISTED]:
            names.setdefault(plan.parent.name, {"name": plan.parent.name, "file": None, "about": ""})
        return {
            "experiments": [each | self._folder(each["name"]) for each in names.values()],
            "shipped": [
                {"name": f.stem, "about": describe.about(f)} for f in sorted((conf_dir() / "experiment").glob("*.yaml"))
            ],
        }

    def _folder(self, name: str) -> dict[str, Any]:
        root = self.workspace.output / name
        counts: dict[str, Any] = {}
        with suppress(OSError, ValueError, RecursionError):
            counts = json.loads((root / "summary.json").read_bytes())
        there = root.is_dir()
        return {
            "folder": there,
            "jobs": counts.get("jobs") if isinstance(counts, dict) else None,
            "done": counts.get("done") if isinstance(counts, dict) else None,
            "gallery": f"/gallery/{name}/index.html" if there else None,
        }


def _refused(found: list[dict[str, str]]) -> dict[str, Any]:
    return {"problems": found, "entry": None, "yaml": None, "file": None, "command": None}
