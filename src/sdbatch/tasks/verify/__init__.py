"""``task=verify``: checks files against their records, renders jobs again and compares, and repairs files."""
