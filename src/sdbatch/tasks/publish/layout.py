"""The names of the files of a research object, for those who write and those who check it."""

from __future__ import annotations

from sdbatch.files.media_types import TYPES
from sdbatch.spec.given_files import CONTROLS, STARTS
from sdbatch.store.folder import SOUNDS

METADATA = "ro-crate-metadata.json"
SUMS = "SHA256SUMS"  # of every other file, as sha256sum writes it
README = "README.md"
CITATION = "CITATION.cff"
EXPERIMENT = "experiment.yaml"  # as resolved
WRITTEN = "written"  # the folder of the YAML files as they were written
INPUTS = "inputs"  # the folder of files that the experiment reads
PLAN = "plan.jsonl"
MANIFEST = "manifest.jsonl"
PROFILES = "profiles"
DIGESTS = "digests.csv"  # a line for every picture and video
COLUMNS = ("id", "path", "size", "sha256", "file", "pixels", "profile")
WEIGHTS = "weights.json"
ENVIRONMENT = "environment.txt"
REPORT = "verify.json"
FIGURE = "figure.pdf"
CAPTION = "figure.txt"
GALLERY = "index.html"
SIGNED = "signed"  # the folder of signed copies

ABOUT = {
    README: "what this is, and how to check it",
    CITATION: "how to cite it",
    EXPERIMENT: "the experiment as resolved: every key with its value; renders the same jobs",
    PLAN: "every job with all parameters that decide its pixels",
    MANIFEST: "the result of every job, with digests of pixels and file",
    DIGESTS: "SHA-256 of every picture and video, also of those that are left out",
    WEIGHTS: "the model's weights: origin, licence, SHA-256 of every file",
    ENVIRONMENT: "the packages that were installed, at their versions",
    REPORT: "the report of task=verify when this was made",
    FIGURE: "a contact sheet with its caption",
    CAPTION: "the caption as text",
    GALLERY: "a page of all results",
}
FOLDERS = {
    WRITTEN: "the experiment as it was written",
    INPUTS: "a file that the experiment reads",
    PROFILES: "how pictures were rendered: device, dtype, rows per call, threads, versions",
    SOUNDS: "the sound of videos, named by its digest",
    CONTROLS: "a picture that a ControlNet saw",
    STARTS: "a picture that others start from, at their size",
    "gallery": "data of the page index.html",
    SIGNED: "a copy with content credentials (C2PA); not the same bytes each time",
    "images": "a picture, with its settings in its metadata",
    "videos": "a video, or its first frame or its metadata",
}


def encoding_format(name: str) -> str:
    """The media type of a file by its name."""
    return TYPES.get(f".{name.rpartition('.')[2].lower()}", "application/octet-stream")


def about(name: str) -> str:
    """What a file is, in a sentence."""
    return ABOUT.get(name) or FOLDERS.get(name.partition("/")[0], "a file of the research object")
