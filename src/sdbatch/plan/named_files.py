"""The files that an experiment names: prompts, styles and sounds, also those of its sweep. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdbatch.config.experiment import Experiment
from sdbatch.config.keys import STYLES
from sdbatch.plan import sounds


def named_files(experiment: Experiment) -> Iterator[str]:
    """All of them, as written; those with texts first."""
    yield from text_files(experiment)
    yield from sound_files(experiment)


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


def _swept(experiment: Experiment, key: str) -> Iterator[Any]:
    lists = (entry.get(key) for entry in experiment.sweep)
    return (value for values in lists if isinstance(values, list | tuple) for value in values)
