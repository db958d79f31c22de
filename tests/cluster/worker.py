"""A worker of an array that says in a file what it rendered:   python -m tests.cluster.worker ROOT WISH (JSON)"""

from __future__ import annotations

import json
import sys

from tests.faults.driver import render

if __name__ == "__main__":
    sys.exit(render(sys.argv[1], json.loads(sys.argv[2])))
