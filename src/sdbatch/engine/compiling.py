"""Regional compilation: the blocks of a network instead of the whole.

A network repeats a few blocks in a few shapes, and blocks of one class and shape share their compiled code. So a new
bucket costs what its distinct block shapes cost, not a trace of the whole network.
"""

from __future__ import annotations

from torch import nn

BLOCKS = ("ResBlock", "TransformerBlock", "MiddleAttention", "ResnetBlock2D", "BasicTransformerBlock")  # and diffusers'


def compile_blocks(module: nn.Module) -> int:
    """Let each block of ``module`` be compiled at its first call in a shape; how many there are."""
    blocks = [part for part in module.modules() if type(part).__name__ in BLOCKS]
    for block in blocks:
        block.compile(dynamic=False)
    return len(blocks)
