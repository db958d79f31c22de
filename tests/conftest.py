"""For all tests: property tests have no deadline, since the machine may be busy with something else.

They try the same cases every time; ``make fuzz`` tries others.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# A shell that starts something in the background lets it ignore Ctrl-C, and every child inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", deadline=None, derandomize="SDBATCH_FUZZ" not in os.environ)
settings.load_profile("patient")
