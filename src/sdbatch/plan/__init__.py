"""Turns an experiment into its ordered jobs: resolve prompt files and weights, expand axes, apply skip rules.

Pure after ``resolve``. Does not depend on output folders, renderers or torch.
"""
