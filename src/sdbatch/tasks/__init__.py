"""The tasks of the command line (``task=…``), one module each. Combines all other packages."""
