"""Memory does not grow with what is finished: only ids are kept."""

from __future__ import annotations

from pathlib import Path

from tests.faults.harness import Child


def test_memory_is_flat(tmp_path: Path) -> None:
    children = [Child(tmp_path / str(n), stills=n) for n in (500, 5_000)]
    small, large = (child.wait(120)[1]["peak_kb"] for child in children)
    assert (large - small) / 4_500 < 1.0, f"{small} KB for 500 jobs, {large} KB for 5,000: more than 1 KB each"
