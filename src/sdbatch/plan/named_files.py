"""The files that an experiment names: prompts, styles, sounds and pictures, also those of its sweep. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdbatch.config.control import OF_START
from sdbatch.config.experiment import Experiment
from sdbatch.config.keys import STYLES
from sdbatch.config.pictures import ALPHA
from sdbatch.plan import inits, sounds

PICTURES = (inits.KEY, inits.MASK)  # keys that name pictures, beside ``control``


def named_files(experiment: Experiment) -> Iterator[str]:
    """All of them, as written; those with texts first."""
    yield from text_files(experiment)
    yield from sound_files(experiment)
    yield from picture_files(experiment)
    yield from video_files(experiment)


def text_files(experiment: Experiment) -> Iterator[str]:
    """Files of prompts and of styles."""
    for prompt in (*(p.model_dump() for p in experiment.prompts), *_swept(experiment, "prompts")):
        if isinstance(prompt, Mapping) and isinstance(prompt.get("file"), str):
            yield prompt["file"]
    if styles := styles_file(experiment):
        yield styles


def styles_file(experiment: Experiment) -> str | None:
    """The file of styles, if any are used: by every job, or by those of a sweep."""
    used = bool(experiment.styles.use) or any(STYLES in entry for entry in experiment.sweep)
    return experiment.styles.file if used else None


def sound_files(experiment: Experiment) -> Iterator[str]:
    """Files of sound."""
    if (sound := experiment.encoding.audio) is not None and sound.path:
        yield sound.path
    yield from (value for value in _swept(experiment, sounds.KEY) if isinstance(value, str))


def picture_files(experiment: Experiment) -> Iterator[str]:
    """Files, folders and patterns of users' pictures."""
    yield from experiment.init.image
    yield from (name for name in (experiment.mask.image,) if name not in (None, ALPHA))
    yield from (image for control in experiment.control for image in control.image if image != OF_START)
    for key in PICTURES:
        for entry in experiment.sweep:
            names = entry.get(key) or ()
            yield from (n for n in ([names] if isinstance(names, str) else names) if n not in (None, ALPHA))
    for value in _swept(experiment, "control"):
        for control in value if isinstance(value, list | tuple) else [value]:
            if isinstance(control, Mapping):
                image = control.get("image", ())
                names = [image] if isinstance(image, str) else image or ()
                yield from (name for name in names if name != OF_START)


def video_files(experiment: Experiment) -> Iterator[str]:
    """Users' videos."""
    swept = (v if isinstance(v, list | tuple) else [v] for v in _swept(experiment, "control"))
    controls = (each for value in swept for each in value if isinstance(each, Mapping))
    names = [
        experiment.init.video,
        *_swept(experiment, inits.VIDEO),
        *(control.video for control in experiment.control),
    ]
    yield from filter(None, [*names, *(control.get("video") for control in controls)])


def _swept(experiment: Experiment, key: str) -> Iterator[Any]:
    lists = (entry.get(key) for entry in experiment.sweep)
    return (value for values in lists if isinstance(values, list | tuple) for value in values)
