"""The command line: the only place that turns errors into exit codes.

0 all done · 1 some jobs failed or a file cannot be written · 2 the configuration is wrong · 3 verify found a
difference ·
130 interrupted. Under ``-m`` every job validates itself and the worst code wins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sdbatch.errors import ConfigError, Interrupted, RenderError, StoreError
from sdbatch.version import __version__

if TYPE_CHECKING:
    from sdbatch.config.hydra_source import Composed

AGAIN = "interrupted; run the same command again to resume"
SHOWN = 40  # mistakes; a wrong prompt file may hold thousands


def main() -> None:
    """Run one command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Compose, validate and carry out; never a traceback for what a user did."""
    if sys.platform == "win32":
        _complain("Windows is not supported: its file locks and signals are others; use WSL 2")
        return 2
    if "--version" in arguments:
        sys.stdout.write(f"sdbatch {__version__}\n")
        return 0
    if arguments == ["--worker"]:  # started by ``workers``; its order comes on standard input
        return _carry_out(_work, 0)
    several = not {"-m", "--multirun"}.isdisjoint(arguments)
    codes: list[int] = []
    try:
        from sdbatch.config.hydra_source import (
            compose,  # here: Ctrl-C while the program is loaded must not print a traceback either
        )

        compose(arguments, lambda read: codes.append(_carry_out(lambda: _do(read), len(codes) + 1 if several else 0)))
    except ConfigError as e:
        codes.append(_say(e))
    except KeyboardInterrupt:
        _complain(AGAIN)
        codes.append(130)
    except SystemExit as e:  # argparse: --help, or an unknown flag
        return e.code if isinstance(e.code, int) else 2
    return max(codes, default=0)


def _do(read: Callable[[], Composed]) -> int:
    from sdbatch.tasks import dispatch

    composed = read()
    return dispatch.run(composed.data, composed.given, composed.hidden)


def _work() -> int:
    from sdbatch.tasks.render import work

    return work()


def _carry_out(what: Callable[[], int], number: int) -> int:
    """One run; ``number``: which of several (0: the only one)."""
    try:
        return what()
    except ConfigError as e:
        return _say(e, number)
    except (StoreError, RenderError) as e:
        _complain(str(e))
        return 1
    except (Interrupted, KeyboardInterrupt) as e:
        _complain(str(e) or AGAIN)
        return 130


def _say(error: ConfigError, number: int = 0) -> int:
    count = len(error.problems)
    head = "the configuration is wrong" if count == 1 else f"the configuration is wrong in {count} places"
    head = f"run {number}: {head}; it wrote nothing" if number else f"{head}; nothing was written"
    more = [f"  … and {count - SHOWN} more"] if count > SHOWN else []
    _complain("\n".join([head, *(f"  {p}" for p in error.problems[:SHOWN]), *more]))
    return 2


def _complain(text: str) -> None:
    # Surrogates (a broken byte on the command line) must not break the message about them.
    sys.stderr.write(f"sdbatch: {text}\n".encode("utf-8", "backslashreplace").decode("utf-8"))
    sys.stderr.flush()
