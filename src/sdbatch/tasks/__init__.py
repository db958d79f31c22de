"""The tasks of the command line (``task=…``), one module each. Puts all other packages together."""
