"""The command line: the only place that turns errors into exit codes.

0 all done · 1 some jobs failed or the disk said no · 2 the configuration is wrong · 3 verify found a difference ·
130 interrupted. Under ``-m`` every job validates itself and the worst code wins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from sdbatch.compose import Composed, compose
from sdbatch.errors import ConfigError, Interrupted, RenderError, StoreError

SHOWN = 40  # mistakes; a wrong prompt file may hold thousands


def main() -> None:
    """Run one command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Compose, validate and carry out; never a traceback for what a user did."""
    codes: list[int] = []
    try:
        compose(arguments, lambda read: codes.append(_carry_out(read)))
    except ConfigError as e:
        codes.append(_say(e))
    except KeyboardInterrupt:
        codes.append(130)
    except SystemExit as e:  # argparse: --help, or an unknown flag
        return e.code if isinstance(e.code, int) else 2
    return max(codes, default=0)


def _carry_out(read: Callable[[], Composed]) -> int:
    from sdbatch import app

    try:
        composed = read()
        return app.run(composed.data, composed.given, composed.hidden)
    except ConfigError as e:
        return _say(e)
    except (StoreError, RenderError) as e:
        _complain(str(e))
        return 1
    except (Interrupted, KeyboardInterrupt) as e:
        _complain(str(e) or "interrupted; the same command goes on")
        return 130


def _say(error: ConfigError) -> int:
    count = len(error.problems)
    head = "the configuration is wrong" if count == 1 else f"the configuration is wrong in {count} places"
    more = [f"  … and {count - SHOWN} more"] if count > SHOWN else []
    _complain("\n".join([f"{head}; nothing was written", *(f"  {p}" for p in error.problems[:SHOWN]), *more]))
    return 2


def _complain(text: str) -> None:
    # Surrogates (a broken byte on the command line) must not break the message about them.
    sys.stderr.write(f"sdbatch: {text}\n".encode("utf-8", "backslashreplace").decode("utf-8"))
    sys.stderr.flush()
