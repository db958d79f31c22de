"""Regional compilation: compiles the blocks of a network instead of the whole network.

A network repeats a few blocks in a few shapes, and blocks of one class and shape share their compiled code. So a new
bucket costs what its distinct block shapes cost, not a trace of the whole network.
"""

from __future__ import annotations

from torch import nn

BLOCKS = ("ResBlock", "TransformerBlock", "MiddleAttention", "ResnetBlock2D", "BasicTransformerBlock")  # and diffusers'


def compile_blocks(module: nn.Module) -> int:
    """Compile each block of ``module`` at its first call in a shape; returns the number of blocks."""
    blocks = [part for part in module.modules() if type(part).__name__ in BLOCKS]
    for block in blocks:
        block.compile(dynamic=False)
    return len(blocks)
