"""From an experiment to its jobs, in order: resolve what it names, expand axes, apply skip rules.

Pure after ``resolve``. Knows no folders, renderers or torch.
"""
