"""``task=schema``: the JSON Schema of experiments, for editors."""

from __future__ import annotations

import json

from sdbatch.config.experiment import Experiment, schema
from sdbatch.terminal.console import open_console


def run(_: Experiment) -> int:
    """Print the schema."""
    open_console().print_json(json.dumps(schema()), highlight=False)
    return 0
