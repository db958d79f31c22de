"""The gallery: outputs/<name>/index.html, live while rendering, complete and deterministic afterwards.

    live     an observer of the run: keeps the page up to date, from a thread of its own
    site     every file of the page, and which of them are up to date
    index    the plan as data: axes, jobs, settings
    status    what became of each job, as data
    thumbs   small pictures
    command  a job as a command line that makes exactly it
    table    the records as CSV
    static/  the page itself: one template, one style sheet, plain JavaScript

A page opened from a file may read no files, but it may run scripts: so data are scripts that call one function.
Nothing under outputs/ says when, where or how fast, except ``gallery/state.js`` while it renders.
"""

from __future__ import annotations

from sdbatch.gallery.live import Live
from sdbatch.gallery.site import Site
from sdbatch.gallery.table import csv_text

__all__ = ["Live", "Site", "csv_text"]
