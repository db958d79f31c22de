"""``task=open``: open the gallery of an experiment in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import suppress

from sdbatch.config.experiment import Experiment
from sdbatch.errors import StoreError, nearest
from sdbatch.store import Store
from sdbatch.tasks import kept_plan
from sdbatch.terminal.console import say


def run(experiment: Experiment) -> int:
    """Print the link of the page, which most terminals open with a click, and open it where there is a desktop."""
    page = Store(experiment.folder).gallery.absolute()
    if not page.is_file():
        known = kept_plan.experiments(experiment.folder.parent)
        others = f"; {experiment.folder.parent}/ contains {', '.join(known[:20])}" if known else ""
        hint = f" ({found})" if (found := nearest(experiment.name, known)) and experiment.name not in known else ""
        what = f"render {experiment.name} first, or write its page with task=gallery"
        raise StoreError(f"{page} does not exist: {what}{others}{hint}")
    link = page.as_uri()
    say(link)
    if _has_desktop():
        with suppress(webbrowser.Error):
            webbrowser.open(link)
    return 0


def _has_desktop() -> bool:
    """Whether a browser would be a window: in a terminal without one, Python would start a text browser."""
    return sys.platform == "darwin" or any(os.environ.get(k) for k in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
