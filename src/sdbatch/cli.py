"""The command line: the only module that turns errors into exit codes.

0: all done; 1: some jobs failed, or a file cannot be written; 2: the configuration is wrong; 3: verify found a
difference; 130: interrupted. With ``-m`` each run validates its configuration, and the largest code is returned.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sdbatch.errors import ConfigError, Interrupted, RenderError, StoreError
from sdbatch.version import __version__

if TYPE_CHECKING:
    from sdbatch.config.hydra_source import Composed
    from sdbatch.tasks.submission import Submission

INTERRUPTED = "interrupted; run the same command again to resume"
MAX_SHOWN = 40  # problems; a wrong prompt file may have thousands


def main() -> None:
    """Run one command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Compose, validate and execute ``arguments``; the exit code. User errors never cause a traceback."""
    if sys.platform == "win32":
        _complain("Windows is not supported: its file locks and signals differ; use WSL 2")
        return 2
    if "--version" in arguments:
        sys.stdout.write(f"sdbatch {__version__}\n")
        return 0
    if arguments == ["--worker"]:  # started by ``workers``; the configuration comes on standard input
        return _execute(_work, 0)
    multirun = not {"-m", "--multirun"}.isdisjoint(arguments)
    codes: list[int] = []
    submissions: list[Submission] = []

    def one(read: Callable[[], Composed]) -> None:
        number = len(codes) + 1 if multirun else 0
        codes.append(_execute(lambda: _do(read, submissions), number))

    try:
        from sdbatch.config.hydra_source import (
            compose,  # here: Ctrl-C during imports must not print a traceback
        )

        compose(arguments, one)
        if submissions:  # all are in the queue by now
            codes.append(_execute(lambda: _wait(submissions), 0))
    except ConfigError as e:
        codes.append(_report(e))
    except KeyboardInterrupt:
        _complain(INTERRUPTED)
        codes.append(130)
    except BrokenPipeError:  # for example --help | head; the second flush, at exit, must not fail as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as e:  # argparse: --help, or an unknown flag
        return e.code if isinstance(e.code, int) else 2
    return max(codes, default=0)


def _do(read: Callable[[], Composed], submissions: list[Submission]) -> int:
    from sdbatch.tasks import dispatch

    composed = read()
    if composed.own:
        sys.stderr.write("configuration: conf/ of this folder, and what is built in\n")
    result = dispatch.run(composed.data, composed.given, composed.hidden)
    if isinstance(result, int):
        return result
    submissions.append(result)
    return 0


def _wait(submissions: list[Submission]) -> int:
    from sdbatch.tasks.wait import run

    return run(submissions)


def _work() -> int:
    from sdbatch.tasks.render import work

    return work()


def _execute(task: Callable[[], int], number: int) -> int:
    """The exit code of one run. ``number`` counts the runs of ``-m`` from 1; 0 without ``-m``."""
    try:
        return task()
    except ConfigError as e:
        return _report(e, number)
    except (StoreError, RenderError) as e:
        _complain(str(e))
        return 1
    except (Interrupted, KeyboardInterrupt) as e:
        _complain(str(e) or INTERRUPTED)
        return 130


def _report(error: ConfigError, number: int = 0) -> int:
    count = len(error.problems)
    head = "the configuration is wrong" if count == 1 else f"the configuration is wrong in {count} places"
    head = f"run {number}: {head}; nothing was written" if number else f"{head}; nothing was written"
    more = [f"  … and {count - MAX_SHOWN} more"] if count > MAX_SHOWN else []
    _complain("\n".join([head, *(f"  {p}" for p in error.problems[:MAX_SHOWN]), *more]))
    return 2


def _complain(text: str) -> None:
    # Surrogates (invalid bytes on the command line) must not make the message fail.
    sys.stderr.write(f"sdbatch: {text}\n".encode("utf-8", "backslashreplace").decode("utf-8"))
    sys.stderr.flush()
