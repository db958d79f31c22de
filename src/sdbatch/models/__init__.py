"""Locates, checks and digests model weights, without torch. ``small/``, ``tiny/`` and ``clip/`` are shipped files.

Knows the configuration of a model. Must not know jobs, plans and renderers.
"""
