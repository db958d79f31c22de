"""Experiments rendered by the fake renderer, with their galleries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdbatch.config.validation import validate
from sdbatch.engine.fake import FakeRenderer, Faults
from sdbatch.gallery import Live, Site
from sdbatch.plan.model_axis import by_key
from sdbatch.plan.plan import Plan
from sdbatch.plan.plan import plan as make_plan
from sdbatch.plan.resolve import resolve
from sdbatch.runner import Options, Outcome, run
from sdbatch.store import Store
from sdbatch.terminal.progress import Progress


def planned(name: str, **data: Any) -> Plan:
    return make_plan(resolve(validate({"name": name, "model": {"kind": "fake"}, "canvas": ["64x64"]} | data)))


def site(plan: Plan, store: Store) -> Site:
    return Site(plan, store, by_key(plan.models), plan.axes)


def go(plan: Plan, store: Store, faults: Faults | None = None, delay: float = 0.0, **options: Any) -> Outcome:
    """Render as ``app`` does; the page must have come out."""
    progress = Progress()
    live = Live(lambda: site(plan, store), progress)
    with live.watching():
        outcome = run(
            plan,
            store,
            lambda: FakeRenderer(delay, faults),
            Options(progress=progress, observer=live, **options),
        )
    assert live.error == ""
    return outcome


def rendered(folder: Path, name: str, faults: Faults | None = None, **data: Any) -> Store:
    store = Store(folder / name, durable=False)
    go(planned(name, **data), store, faults)
    return store
