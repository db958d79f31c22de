"""``task=verify``: check files against their records, render again and compare, repair."""
