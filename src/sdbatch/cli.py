"""The command line: the only module that turns errors into exit codes.

0: all done; 1: some jobs failed, or a file cannot be written; 2: the configuration is wrong; 3: verify found a
difference; 130: interrupted. With ``-m`` each run validates its configuration, and the largest code is returned; an
interrupt stops all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING

from sdbatch.errors import ConfigError, Interrupted, RenderError, StoreError
from sdbatch.terminal import streams
from sdbatch.terminal.console import new, running, saying_once
from sdbatch.version import __version__

if TYPE_CHECKING:
    from sdbatch.config.hydra_source import Composed
    from sdbatch.tasks.submission import Submission

INTERRUPTED = "interrupted; run the same command again to resume"
MAX_SHOWN = 40  # problems; a wrong prompt file may have thousands


class _Stopped(KeyboardInterrupt):
    """A run of ``-m`` was interrupted and has said so: those that follow must not start."""


def main(first: tuple[str, ...] = ()) -> None:
    """Run one command line, ``first`` and the arguments of this program, and exit with its code."""
    streams.install()
    code = run([*first, *sys.argv[1:]])
    if lost := streams.lost_output():
        _complain(f"the output could not be written: {lost}")
        code = code or 1
    sys.exit(code)


def studio() -> None:
    """``sdbatch-studio``: the same as ``sdbatch task=studio``."""
    main(("task=studio",))


def run(arguments: list[str]) -> int:
    """Compose, validate and execute ``arguments``; the exit code. User errors never cause a traceback."""
    if sys.platform == "win32":
        _complain("Windows is not supported: its file locks and signals differ; use WSL 2")
        return 2
    if "--version" in arguments:
        sys.stdout.write(f"sdbatch {__version__}\n")
        return 0
    if len(arguments) == 1 and (process := _PROCESSES.get(arguments[0])) is not None:
        return _execute(process)
    try:
        return _compose(arguments)
    except ConfigError as e:
        return _report(e)
    except _Stopped:
        _complain("the following runs were not started; run the same command again to resume")
        return 130
    except KeyboardInterrupt:
        _complain(INTERRUPTED)
        return 130
    except BrokenExecutor:  # of a launcher of -m
        _complain("a process of the launcher died (killed, or out of memory?); run the same command again to resume")
        return 1
    except SystemExit as e:  # argparse: --help, or an unknown flag
        return e.code if isinstance(e.code, int) else 2


def _compose(arguments: list[str]) -> int:
    """Execute every run of ``arguments``; the highest exit code."""
    from sdbatch.config.hydra_source import compose  # here: Ctrl-C during imports must not print a traceback

    if "task=watch" in arguments:
        from sdbatch.tasks.watch import follow

        return follow(arguments, _execute)
    submissions: list[Submission] = []
    process = os.getpid()

    def one(read: Callable[[], Composed], name: str) -> int:
        waiting: list[Submission] = []
        code = _execute(lambda: _do(read, waiting, name), name)
        if waiting and os.getpid() == process:
            submissions.extend(waiting)
        elif waiting:  # a launcher has started this process, and the first one will not know of the submission
            code = max(code, _execute(lambda: _wait(waiting), name))
        if name and code == 130:
            raise _Stopped
        return code

    with saying_once():
        codes = compose(arguments, one)
    if submissions:  # all are in the queue by now
        codes.append(_execute(lambda: _wait(submissions)))
    return max(codes, default=0)


def _do(read: Callable[[], Composed], submissions: list[Submission], name: str) -> int:
    from sdbatch.tasks import dispatch

    composed = read()
    if composed.own and new("own"):
        sys.stderr.write("configuration: conf/ of this folder, and what is built in\n")
    with running(name):
        result = dispatch.run(composed.data, composed.given, composed.hidden, composed.written)
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


def _render_for_studio() -> int:
    from sdbatch.studio.child import run

    return run()


_PROCESSES = {  # started by ``workers`` and ``studio``, which write orders to standard input
    "--worker": _work,
    "--studio-renderer": _render_for_studio,
}


def _execute(task: Callable[[], int], name: str = "") -> int:
    """The exit code of one run. ``name`` is that of a run of ``-m``."""
    try:
        return task()
    except ConfigError as e:
        return _report(e, name)
    except (StoreError, RenderError) as e:
        _complain(str(e), name)
        return 1
    except OSError as e:
        _complain(": ".join(str(part) for part in (e.filename, e.strerror or e) if part), name)
        return 1
    except (Interrupted, KeyboardInterrupt) as e:
        _complain(str(e) or INTERRUPTED, name)
        return 130


def _report(error: ConfigError, name: str = "") -> int:
    count = len(error.problems)
    head = "the configuration is wrong" if count == 1 else f"the configuration is wrong in {count} places"
    more = [f"  … and {count - MAX_SHOWN} more"] if count > MAX_SHOWN else []
    lines = [f"{head}; nothing was written", *(f"  {p}" for p in error.problems[:MAX_SHOWN]), *more]
    _complain("\n".join(lines), name)
    return 2


def _complain(text: str, name: str = "") -> None:
    # Surrogates (invalid bytes on the command line) must not make the message fail.
    text = f"sdbatch: {name}: {text}\n" if name else f"sdbatch: {text}\n"
    sys.stderr.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))
    sys.stderr.flush()
