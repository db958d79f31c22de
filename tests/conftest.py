"""For all tests: property tests have no deadline, since the machine may be busy with something else.

They try the same cases every time; ``make fuzz`` tries others. A run without a browser says so in its last lines, and
fails where SDBATCH_BROWSER=1 requires one, as ``.ci/run`` does after it has installed Chromium. The tests of
tests/cluster/ need a SLURM of their own: SDBATCH_CLUSTER=1, which ``make test-cluster`` sets, collects them.
"""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

from tests.gallery.chromium import MISSING

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MISSING:
        terminalreporter.section("BROWSER TESTS WERE NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"The gallery is not tested: {MISSING}.", red=True)
    if not CLUSTER:
        terminalreporter.section("CLUSTER TESTS WERE NOT RUN", sep="!", yellow=True, bold=True)
        terminalreporter.write_line(
            "make test-cluster starts a SLURM of its own and runs them (root, Debian's packages)."
        )
