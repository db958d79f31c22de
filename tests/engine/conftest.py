"""One small model on disk and one engine per session: opening is the slow part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdbatch import engine
from sdbatch.config.runtime import Runtime
from tests.engine.models import save, source


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("sd"))


@pytest.fixture(scope="session")
def opened(folder: Path) -> Any:
    return engine.open(source(folder), Runtime(device="cpu", threads=1, rows=4))


@pytest.fixture(scope="session")
def pipe(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """diffusers' pipeline with the same weights."""
    from tests.engine.pipelines import pipeline

    return pipeline(folder, tmp_path_factory.mktemp("tokenizer"))
