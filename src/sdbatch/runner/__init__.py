"""Renders a plan into a store: skips finished jobs, isolates failures, resumes after an interrupt.

    run           one run: store -> work -> renderer -> writers -> store
    loop          passes results of the renderer to the writers; isolates crashes
    work          the feed: hands ready shots to the renderer
    queue         the order of shots: by bucket, longest first
    dependencies  which videos wait for which shots
    share         which jobs this process renders, and which others do
    shot_cache    pictures of earlier shots
    outputs       writes a picture or a video, then its record
    context       the state that all outputs share; the log of results
    writers       threads behind a bounded queue
    signals       Ctrl-C and SIGTERM
    observer      the interface for watching a run, for example by the gallery
    timings       durations of earlier runs, for estimates

Uses renderers, plans and stores through their interfaces. Must not know torch or the configuration.
"""

from __future__ import annotations

from sdbatch.runner.observer import Observer, Observers
from sdbatch.runner.run import Options, Outcome, run
from sdbatch.runner.timings import estimate, key_of

__all__ = ["Observer", "Observers", "Options", "Outcome", "estimate", "key_of", "run"]
