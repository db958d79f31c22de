"""The configuration: Hydra composes it (``hydra_source`` alone imports Hydra), pydantic validates it.

Reads configuration files and nothing else; knows no plans, weights or renderers.
"""
