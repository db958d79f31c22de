"""Memory does not grow with what is finished: only ids are kept, and of a video a few frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import Child


def test_memory_is_flat(tmp_path: Path) -> None:
    children = [Child(tmp_path / str(n), stills=n) for n in (500, 5_000)]
    small, large = (child.wait(120)[1]["peak_kb"] for child in children)
    assert (large - small) / 4_500 < 1.0, f"{small} KB for 500 jobs, {large} KB for 5,000: more than 1 KB each"


@pytest.mark.parametrize("name", ["prompt", "zoom", "feedback"])
def test_a_video_is_not_held_in_memory(tmp_path: Path, name: str) -> None:
    size = {"width": 128, "height": 96}  # 36 KB a frame
    children = [Child(tmp_path / str(n), motions=[name], frames=n, size=size) for n in (20, 420)]
    short, long = (child.wait(120)[1]["peak_kb"] for child in children)
    assert (long - short) / 400 < 10, f"{short} KB for 20 frames, {long} KB for 420: more than 10 KB each"
