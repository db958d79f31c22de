from __future__ import annotations

from pathlib import Path

import pytest

from sdbatch import motion
from sdbatch.store import Store
from tests.runner.little import CHAIN


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs" / "x", durable=False)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> str:
    """A mode whose shots each start from the one before."""
    monkeypatch.setitem(motion.MODES, "chain", CHAIN)
    return "chain"
