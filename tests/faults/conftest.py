from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Disk, mounted


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=10, help="kills in tests/faults (name it: pytest tests/faults)")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills", default=10))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small disk of its own, if we may mount one."""
    with mounted(tmp_path / "disk") as found:
        if found is None:
            pytest.skip("needs the right to mount a tmpfs")
        yield found
