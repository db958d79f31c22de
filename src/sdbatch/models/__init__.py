"""Model weights: found, checked and digested, without torch. ``tiny/`` and ``clip/`` are the shipped files.

Knows the configuration of a model; knows no jobs, plans or renderers.
"""
