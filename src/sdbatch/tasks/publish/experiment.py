"""The experiment as written and as resolved, and the files that it reads. Places on this machine are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import yaml

from sdbatch.config.control import OF_START
from sdbatch.config.experiment import GROUPS, Experiment
from sdbatch.config.film_length import UNKNOWN_LENGTH
from sdbatch.config.pictures import ALPHA
from sdbatch.files import archive
from sdbatch.plan import inits, sounds
from sdbatch.plan.named_files import PICTURES, picture_files, sound_files, styles_file, text_files, video_files
from sdbatch.plan.pictures import Pictures
from sdbatch.plan.wildcards import wildcard_files
from sdbatch.spec.pictures import InputPicture
from sdbatch.spec.renderer import Profile
from sdbatch.tasks.publish.layout import INPUTS, WRITTEN
from sdbatch.tasks.rerender import runtime_of

KEYS = (
    "name",
    "prompts",
    "negative",
    "wildcards",
    "styles",
    "seeds",
    "canvas",
    "sampling",
    "motion",
    "encoding",
    "sweep",
    "skip",
    "model",
    "models",
    "loras",
    "lora_weight",
    "control",
    "init",
    "mask",
    "hires",
    "upscale",
    "runtime",
)
WILDCARDS = f"{INPUTS}/wildcards"
_NETWORKS = ("hires.upscaler", "upscale.model")
_PRIVATE = (
    *("model.path", "model.vae", "wildcards.folder", "styles.file", "control"),
    *(sounds.KEY, inits.VIDEO, *PICTURES, *_NETWORKS),
)
_PLACE = re.compile(r"(?<![\w/.])(/+[^\s/]|~\w*/)|(?<![\w.])\.\./")  # in a value: a path that may leave the folder
_HEAD = "# Every key with its value. In the folder of this file:  python -m sdbatch experiment.yaml\n"


def as_written(experiment: Experiment) -> Iterator[tuple[str, bytes]]:
    """(path, content) of the YAML files and of the arguments, as they were written."""
    for name, text in experiment.written.files:
        yield f"{WRITTEN}/{'/'.join(map(archive.safe, name.split('/')))}.yaml", text.encode()
    if arguments := [a for a in experiment.written.arguments if _is_public(a)]:
        yield f"{WRITTEN}/arguments.txt", "".join(f"{a}\n" for a in arguments).encode("utf-8", "replace")


def _is_public(argument: str) -> bool:
    """Whether an argument belongs to the experiment, and does not name a place on this machine."""
    key, _, value = argument.partition("=")
    key = key.lstrip("+~")
    return key.partition(".")[0] in (*KEYS, *GROUPS) and key not in _PRIVATE and not _PLACE.search(value)


class Inputs:
    """The files that an experiment reads, and their names in the crate."""

    def __init__(self, experiment: Experiment) -> None:
        self.files: dict[str, Path] = {}
        self._names: dict[str, str] = {}
        self._of_paths: dict[Path, str] = {}
        self._taken = {Path(WILDCARDS).name}  # in the folder of inputs
        self._experiment = experiment
        for file in text_files(experiment):
            self._add(file)
        self._texts_of = list(self.files.values())
        for file in sound_files(experiment):
            self._add(file)
        self._pictures = Pictures(experiment.input_folders)
        for value in picture_files(experiment):
            for picture in self._pictures.named(value, INPUTS):
                self._add(picture.path)
        for value in video_files(experiment):
            self._add_video(self._pictures.clip(value, INPUTS))
        if any("__" in text for text in self._texts()):
            root = Path(experiment.wildcards.folder).expanduser().resolve()
            for path in wildcard_files(root):
                self.files["/".join((WILDCARDS, *map(archive.safe, path.relative_to(root).parts)))] = path

    def name(self, file: str) -> str:
        """The path of ``file`` in the crate."""
        return self._names[file]

    def pictures(self, value: Any) -> Any:
        """The pictures that a key names, as they are called in the crate."""
        if value in (None, ALPHA) or not isinstance(value, str | list | tuple):
            return value
        found = [self._names[p.path] for v in ([value] if isinstance(value, str) else value) for p in self._of(v)]
        return found[0] if isinstance(value, str) and len(found) == 1 else found

    def video(self, value: str | None) -> str | None:
        """The path in the crate of the video that a key names."""
        return None if value is None else self._names[self._pictures.clip(value, INPUTS).path]

    def _of(self, value: str | None) -> Iterable[InputPicture]:
        return self._pictures.named(value, INPUTS) if value is not None else ()

    def _add(self, file: str) -> None:
        path = Path(file).expanduser()
        if path not in self._of_paths:
            self._of_paths[path] = self._unused(path.name)
            self.files[self._of_paths[path]] = path
        self._names[file] = self._of_paths[path]

    def _add_video(self, video: InputPicture) -> None:
        """A file, or a folder of pictures."""
        if not video.files:
            self._add(video.path)
        elif video.path not in self._names:
            self._names[video.path] = folder = self._unused(Path(video.path).resolve().name)
            paths = [Path(file.path) for file in video.files]
            names = [archive.safe(path.name) for path in paths]
            if names != list(dict.fromkeys(path.name for path in paths)):  # keep their order
                names = [f"{n:06}-{name}" for n, name in enumerate(names)]
            self.files |= {f"{folder}/{name}": path for name, path in zip(names, paths, strict=True)}

    def _unused(self, name: str) -> str:
        """The path in the crate of an input, with a number if another one has its name."""
        name = archive.safe(name)
        numbered = (f"{n}-{name}" for n in count(len(self.files)))
        own = next(each for each in chain([name], numbered) if each not in self._taken)
        self._taken.add(own)
        return f"{INPUTS}/{own}"

    def _texts(self) -> Iterator[str]:
        """Texts in which a wildcard can stand."""
        yield from _strings([p.model_dump() for p in self._experiment.prompts])
        yield from _strings(list(self._experiment.sweep))
        yield from (path.read_text("utf-8", "replace") for path in self._texts_of)


def as_resolved(experiment: Experiment, seeds: Sequence[int | str], profile: Profile | None, inputs: Inputs) -> bytes:
    """experiment.yaml: every key that decides pixels, with its value; files as they are called in the crate.

    ``seeds``: those that were drawn, if they are random.
    """
    data = experiment.model_dump(mode="json", include=set(KEYS)) | {"seeds": list(seeds)}
    data["motion"] |= _unknown(experiment)
    data["prompts"] = _renamed(data["prompts"], inputs)
    data["sweep"] = [{k: _swept(k, v, inputs) for k, v in e.items()} for e in data["sweep"]]
    if isinstance(sound := data["encoding"]["audio"], str):
        data["encoding"]["audio"] = inputs.name(sound)
    data["styles"]["file"] = inputs.name(styles) if (styles := styles_file(experiment)) else None
    data["wildcards"]["folder"] = WILDCARDS
    data["control"] = _controls(data["control"], inputs)
    del data["init"]["folder"]
    for key in (*PICTURES, inits.VIDEO, *_NETWORKS):
        section, name = key.split(".")
        data[section][name] = _swept(key, data[section][name], inputs)
    data["model"] = _without_folders(data["model"])
    data["loras"] = _without_folders_of(data["loras"])
    data["models"] = [_without_folders({k: v for k, v in m.items() if v is not None}) for m in data["models"]]
    runtime = runtime_of(profile, experiment.runtime) if profile else experiment.runtime
    kept = {"dtype", "attention", "rows", "chain_rows", "vae_batch", "threads", "compile", "exact", "portable"}
    data["runtime"] = runtime.model_dump(mode="json", include=kept)
    ordered = {key: data[key] for key in KEYS}
    return (_HEAD + yaml.safe_dump(ordered, allow_unicode=True, sort_keys=False, width=120)).encode()


def _unknown(experiment: Experiment) -> dict[str, Any]:
    """The keys that a video decides which a film follows."""
    if not any(video_files(experiment)):
        return {}
    motion = experiment.motion
    length = {"frames": None} if motion.frames == UNKNOWN_LENGTH else {}
    return length if "fps" in motion.model_fields_set else {**length, "fps": None}


def _swept(key: str, values: Any, inputs: Inputs) -> Any:
    """The values of a swept key, files as they are called in the crate."""
    if key == "prompts":
        return _renamed(values, inputs)
    if key == "loras":
        return _without_folders_of(values)
    if key == "control":
        return _controls(values, inputs)
    if key in PICTURES:
        return inputs.pictures(values)
    if key == inits.VIDEO:
        return [inputs.video(value) for value in values] if isinstance(values, list | tuple) else inputs.video(values)
    if key in _NETWORKS:
        return [Path(v).name for v in values] if isinstance(values, list | tuple) else values and Path(values).name
    if key in ("models", "model.vae"):
        return [_without_folders(v) if isinstance(v, dict) else v and Path(v).name for v in _list(values)]
    return [inputs.name(v) if isinstance(v, str) else v for v in _list(values)] if key == sounds.KEY else values


def _without_folders(model: dict[str, Any]) -> dict[str, Any]:
    """A model with its files, but not with their places on this machine."""
    return {k: Path(v).name if k in ("model", "path", "vae") and v else v for k, v in model.items()}


def _without_folders_of(loras: Any) -> Any:
    """LoRAs, of an experiment or of a sweep's sets: names, which are looked up in ``lora_folders``."""
    if isinstance(loras, Mapping):
        return {k: Path(v).name if k == "path" and v else v for k, v in loras.items() if v is not None}
    if isinstance(loras, list | tuple):
        return [_without_folders_of(each) for each in loras]
    return Path(loras).name if isinstance(loras, str) else loras


def _controls(entries: Any, inputs: Inputs) -> Any:
    """ControlNets, of an experiment or of a sweep's sets: names, which are looked up in ``control_folders``."""
    if isinstance(entries, list | tuple):
        return [_controls(each, inputs) for each in entries]
    if not isinstance(entries, Mapping):
        return entries
    nets = entries["net"]
    names = Path(nets).name if isinstance(nets, str) else [Path(net).name for net in nets]
    image, video = entries.get("image"), inputs.video(entries.get("video"))
    image = image if image in (OF_START, [OF_START]) else inputs.pictures(image or None)
    return {**entries, "net": names} | ({"image": image} if image else {"video": video})


def _renamed(prompts: Any, inputs: Inputs) -> Any:
    """``prompts`` without empty fields, their files as they are called in the crate."""
    return [_prompt(p, inputs) if isinstance(p, dict) else p for p in _list(prompts)]


def _prompt(prompt: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    kept = {k: v for k, v in prompt.items() if v is not None}
    if "loras" in kept:
        kept["loras"] = _without_folders_of(kept["loras"])
    return kept | ({"file": inputs.name(kept["file"])} if "file" in kept else {})


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _strings(list(value.values()))
    elif isinstance(value, Iterable):
        for each in value:
            yield from _strings(each)
