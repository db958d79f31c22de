"""Rendering a plan into a store: skip what is done, isolate what fails, stop at any moment.

    run      the loop: store -> work -> renderer -> writers -> store
    loop     renderer to writers, crashes isolated
    work     what is to be rendered; hands ready shots to the renderer
    lanes    its order: by bucket, chains first
    needs    which videos wait for which shots
    cache    pictures of earlier shots
    results    records as they come in
    output   a picture or a video into its file and its record
    writers  threads behind a bounded queue
    signals     Ctrl-C and SIGTERM
    observer who watches: the gallery
    timings  how long things took, for estimates

Knows renderers, plans and stores by what they promise; nothing of torch or of configuration.
"""

from __future__ import annotations

from sdbatch.runner.observer import Observer, Observers
from sdbatch.runner.run import Options, Outcome, run
from sdbatch.runner.timings import cost, estimate

__all__ = ["Observer", "Observers", "Options", "Outcome", "cost", "estimate", "run"]
