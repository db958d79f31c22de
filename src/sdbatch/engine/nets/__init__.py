"""Stable Diffusion 1's networks in plain torch, with the parameter names of diffusers and transformers.

They run the same operations in the same order, so their bits are those of the originals (tests/engine/test_nets.py).
What they leave out is what costs: five seconds of imports, divisions by 1.0, options that no such model uses. A
configuration that needs more than they have is built with diffusers' or transformers' own class (``build``).
"""
