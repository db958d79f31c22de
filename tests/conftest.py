"""For all tests: property tests have no deadline, since the machine may be busy with something else; a real browser.

Property tests try the same cases every time; ``make fuzz`` tries others. Without Chromium the tests of pages are left
out, and the last lines of a run say so; it fails where SDBATCH_BROWSER=1 requires one, as ``.ci/run`` does after it has
installed Chromium. The tests of tests/cluster/ need a SLURM of their own: SDBATCH_CLUSTER=1, which ``make
test-cluster`` sets, collects them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.gallery.chromium import CHROMIUM, DRIVER, MISSING

if TYPE_CHECKING:
    from tests.gallery.browser import Browser

# A shell that starts something in the background lets it ignore Ctrl-C, and every child inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CLUSTER = os.environ.get("SDBATCH_CLUSTER") == "1"
collect_ignore = [] if CLUSTER else ["cluster"]

settings.register_profile("patient", deadline=None, derandomize="SDBATCH_FUZZ" not in os.environ)
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Debian's chromium and chromium-driver")
    config.addinivalue_line("markers", "short: a test of tests/cluster/ that .ci/run runs too")
    if MISSING and os.environ.get("SDBATCH_BROWSER") == "1":
        raise pytest.UsageError(f"the gallery cannot be tested: {MISSING}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not MISSING:
        return
    out = [item for item in items if item.get_closest_marker("browser")]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MISSING:
        terminalreporter.section("BROWSER TESTS WERE NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"The gallery is not tested: {MISSING}.", red=True)
    if not CLUSTER:
        terminalreporter.section("CLUSTER TESTS WERE NOT RUN", sep="!", yellow=True, bold=True)
        terminalreporter.write_line(
            "make test-cluster starts a SLURM of its own and runs them (root, Debian's packages)."
        )


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: $SDBATCH_SHOTS, else a folder that pytest keeps for a while."""
    folder = Path(os.environ.get("SDBATCH_SHOTS") or tmp_path_factory.mktemp("shots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory, shots: Path) -> Iterator[Browser]:
    from tests.gallery.browser import Browser  # imports Selenium

    assert CHROMIUM
    assert DRIVER
    browser = Browser(CHROMIUM, DRIVER, tmp_path_factory.mktemp("chromium"), shots)
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Empty-handed at the beginning; in the end nothing was refused by the page's policy, and nothing broke."""
    chromium.fresh()
    yield chromium
    assert chromium.complaints() == []


@pytest.fixture
def training_settings() -> Iterator[None]:
    """One thread, since the sums of a step depend on it; resets what the trainings set for their process."""
    import torch  # here, because few tests need it

    precision, tf32 = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = tf32
