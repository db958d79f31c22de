"""The folders of a studio, and the way from a form to an experiment and its file."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdbatch.config.beside import found_beside
from sdbatch.config.experiment import Experiment
from sdbatch.config.hydra_source import Composed, compose_data
from sdbatch.errors import ConfigError, Problem, nearest, shown
from sdbatch.files import atomic, store_errors
from sdbatch.prompts import networks
from sdbatch.studio import yaml_text
from sdbatch.studio.describe import models
from sdbatch.studio.form import Form, Settings, settings
from sdbatch.tasks.dispatch import checked, merged

MAX_NUMBER = 10_000  # of experiments of one name
TEXTS = ("file", "folder", "audio", "image", "video", "input_folders", "jobs")  # keys that name files but weights
WEIGHTS = (  # … of weights
    *("path", "vae", "models", "net", "loras", "upscaler", "model"),
    *("lora_folders", "embedding_folders", "control_folders", "upscaler_folders"),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A valid form: its experiment, and the YAML that says the same. ``taken``: its name belongs to another one."""

    form: Form
    settings: Settings
    experiment: Experiment
    yaml: str
    file: Path
    taken: bool

    @property
    def command(self) -> str:
        return command(self.file)

    @property
    def title(self) -> str:
        prompts = self.experiment.prompts
        return (prompts[0].text or prompts[0].file or "")[:200] if prompts else self.experiment.name


def command(file: Path) -> str:
    """The command line that renders ``file``."""
    return f"python -m sdbatch {shlex.quote(str(file))}"


class Workspace:
    """``folder`` holds the YAML files, ``outputs`` the folders of experiments; both as configured.

    ``anywhere``: whether weights outside the working folder may be named, as only the user of this machine may.
    """

    def __init__(self, folder: str, outputs: str, anywhere: bool = True) -> None:
        self.folder = Path(folder).expanduser()
        self.outputs = outputs
        self._anywhere = anywhere
        self._bases: dict[str, dict[str, Any]] = {}
        self._latest: tuple[Any, Experiment | None] = (None, None)  # the file that was read last
        self._writing = threading.Lock()

    @property
    def output(self) -> Path:
        """The folder of all experiments' folders."""
        return Path(self.outputs).expanduser()

    def base(self, model: str) -> dict[str, Any]:
        """The defaults with a file of conf/model. Raises ConfigError for an unknown name."""
        known = [m["name"] for m in models()]
        if model not in known:
            text = f"unknown model {shown(model)}; allowed: {', '.join(known)}"
            raise ConfigError.one("model", text, nearest(model, known))
        if model not in self._bases:
            self._bases[model] = self.composed([f"model={model}"]).data
        return self._bases[model]

    def composed(self, overrides: list[str], file: Path | None = None) -> Composed:
        """What Hydra composes; raises ConfigError."""
        return compose_data(overrides, file)

    def draft(self, form: Form) -> Draft:
        """The experiment of ``form``. Raises ConfigError with every mistake; its keys are those of the form."""
        made = settings(form)
        try:
            return self._draft(form, made)
        except ConfigError as e:
            raise ConfigError(map(made.shown, e.problems)) from e

    def _draft(self, form: Form, made: Settings) -> Draft:
        base = self.base(form.model)
        data = merged(made.data, {"output": {**made.data.get("output", {}), "folder": self.outputs}})
        problems = list(self.outside(data))
        try:
            experiment = checked(found_beside(merged(base, data), self.folder))  # as its file will be read
        except ConfigError as e:
            raise ConfigError([*problems, *e.problems]) from e
        if not experiment.has_prompts:
            problems.append(Problem("prompts", "is empty", "write what the picture shows"))
        moves = experiment.motion.mode != "still" or any("motion.mode" in entry for entry in experiment.sweep)
        if form.kind == "film" and not moves:
            problems.append(Problem("motion.mode", "is still, so there is no film", "choose zoom"))
        if problems:
            raise ConfigError(problems)
        return self._named(form, made, different_from(data, base), experiment)

    def _named(self, form: Form, made: Settings, own: dict[str, Any], experiment: Experiment) -> Draft:
        """The draft under the first name that is free, or that holds the same settings."""
        model = form.model if self.base(form.model) != self.base_of_environment() else ""
        wished, first = experiment.name, self.folder / f"{experiment.name}.yaml"
        if self._read(first) == experiment:  # perhaps written by hand
            return Draft(form, made, experiment, first.read_text("utf-8"), first, False)
        for n in range(1, MAX_NUMBER):
            name = wished if n == 1 else f"{wished[: 63 - len(str(n))]}-{n}"
            file = self.folder / f"{name}.yaml"
            text = yaml_text.text({**own, "name": name}, model, command(file))
            if (n == 1 and form.replace) or is_free(file, text):
                break
        else:
            raise ConfigError.one("name", f"{MAX_NUMBER:,} experiments have this name", "choose another one")
        found = experiment if name == wished else experiment.model_copy(update={"name": name})
        return Draft(form, made, found, text, file, name != wished)

    def _read(self, file: Path) -> Experiment | None:
        """The experiment in ``file``, or None; read again only if the file has changed."""
        try:
            stat = file.stat()
            key = (file, stat.st_mtime_ns, stat.st_size)
            if self._latest[0] != key:
                self._latest = (key, None)
                self._latest = (key, checked(self.composed([], file).data))
        except (OSError, ConfigError):
            return None
        return self._latest[1]

    def base_of_environment(self) -> dict[str, Any]:
        """The defaults as a file without a model gets them: SDBATCH_MODEL can name another one."""
        if "" not in self._bases:
            self._bases[""] = self.composed([]).data
        return self._bases[""]

    def write(self, form: Form) -> Draft:
        """Write the file of ``form``, and make sure that it says what the form says. Raises ConfigError, StoreError."""
        with self._writing:
            draft = self.draft(form)
            if not is_free(draft.file, draft.yaml) or not draft.file.exists():
                with store_errors(draft.file):
                    atomic.write(draft.file, [draft.yaml.encode()], durable=True)
            if self._read(draft.file) != draft.experiment:
                text = f"{draft.file} was written, but is not read as the form says; please report this with the file"
                raise ConfigError.one("", text)
            return draft

    def outside(self, data: Mapping[str, Any]) -> Iterator[Problem]:
        """Files that the form names outside of the working folder."""
        keys = TEXTS if self._anywhere else (*TEXTS, *WEIGHTS)
        named = _texts({key: value for key, value in data.items() if key != "output"}, "", keys)
        texts = [] if self._anywhere else list(_texts(data, ""))
        tagged = ((at, name) for at, text in texts for name in networks.names(text))  # perhaps LoRAs
        for at, path in (*named, *tagged):
            if not inside(path, Path()):
                yield Problem(at, f"{shown(path)} is outside the working folder", "copy or link it here")
        for at in dict.fromkeys(at for at, text in texts if networks.has_made_tags(text)):
            text = "a tag with {…} or ${…} inside may name a file outside the working folder"
            yield Problem(at, text, "write tags whole, such as {<lora:a:0.8>|<lora:b:0.8>}")


def different_from(data: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """What a file has to say; its name it says always."""
    return {"name": data["name"], **yaml_text.different(data, base)}


def inside(path: str | Path, folder: Path) -> bool:
    """Whether ``path`` is ``folder`` or inside it, links followed."""
    try:
        return Path(path).expanduser().resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def is_free(file: Path, text: str) -> bool:
    """Whether ``file`` does not exist, or holds ``text``."""
    try:
        return file.read_text("utf-8") == text
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def _texts(
    value: Any, at: str, keys: Collection[str] | None = None, named: bool | None = None
) -> Iterator[tuple[str, str]]:
    """(key, text) of every text in ``value``, or of those whose key is one of ``keys``, also a key of a sweep.

    ``named``: whether the key of a list that contains ``value`` is one of them. Lists of prompts are long.
    """
    named = (keys is None or at.rpartition(".")[2] in keys) if named is None else named
    if isinstance(value, str):
        yield from [(at, value)] if named else ()
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each, f"{at}.{name}".lstrip("."), keys)
    elif isinstance(value, list):
        for i, each in enumerate(value):
            if named or not isinstance(each, str):
                yield from _texts(each, f"{at}[{i}]", keys, named)
