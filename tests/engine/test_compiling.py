"""Regional compilation: blocks, not the network; one code for blocks of one shape; equal within rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sdbatch.engine import compiling
from sdbatch.engine.nets.unet import UNet
from sdbatch.engine.nets.vae import Autoencoder
from tests.engine.models import UNET, VAE

# torch's own, at its first import of inductor
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
SMALL = UNET | {
    "block_out_channels": (16,),
    "down_block_types": ("CrossAttnDownBlock2D",),
    "up_block_types": ("CrossAttnUpBlock2D",),
}


def given(rows: int, side: int = 4) -> tuple[torch.Tensor, ...]:
    dice = torch.Generator().manual_seed(rows)
    return (
        torch.randn(rows, 4, side, side, generator=dice),
        torch.linspace(1, 900, rows),
        torch.randn(rows, 7, 32, generator=dice),
    )


def test_the_blocks_of_a_network_are_found() -> None:
    """Stable Diffusion 1's: 22 residual blocks and 16 transformers; in the decoder 14 and the middle's attention."""
    from sdbatch.engine import architecture
    from sdbatch.engine.build import empty

    for own in (True, False):
        assert compiling.compile_blocks(empty("unet", architecture.UNET, own)) == 22 + 16
    assert compiling.compile_blocks(empty("vae", architecture.VAE).decoder) == 14 + 1  # type: ignore[arg-type]


@torch.inference_mode()
def test_blocks_of_one_shape_share_their_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """How often something is compiled, counted by a backend that does nothing."""
    torch._dynamo.reset()
    compiled: list[int] = []

    def backend(graph: Any, _: Any) -> Any:
        compiled.append(1)
        return graph.forward

    true = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **how: true(self, backend=backend, **how))
    torch.manual_seed(0)
    module = UNet(SMALL)
    plain = [module(*given(rows))[0] for rows in (2, 3)]
    assert compiling.compile_blocks(module) == 5 + 4  # one down, two in the middle, two up; one, one, two
    assert torch.allclose(module(*given(2))[0], plain[0], atol=1e-5)
    assert len(compiled) == 2 + 1  # residual blocks of 16 and of 32 channels, transformers
    module(*given(2))
    assert len(compiled) == 3
    assert torch.allclose(module(*given(3))[0], plain[1], atol=1e-5)
    assert len(compiled) == 6  # another shape, not the network anew
    torch._dynamo.reset()


@torch.inference_mode()
def test_compiled_by_inductor_the_result_is_the_same_within_rounding(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    torch.manual_seed(0)
    module = UNet(SMALL)
    plain = module(*given(2))[0]
    compiling.compile_blocks(module)
    compiled = module(*given(2))[0]
    assert torch.allclose(compiled, plain, atol=1e-4)
    assert plain.std() > 0.01
    torch._dynamo.reset()


def test_a_copy_in_full_precision_is_not_compiled() -> None:
    import copy

    vae = Autoencoder(VAE)
    compiling.compile_blocks(vae.decoder)
    assert vae.decoder.mid_block.resnets[0]._compiled_call_impl is not None
    assert copy.deepcopy(vae).decoder.mid_block.resnets[0]._compiled_call_impl is None
