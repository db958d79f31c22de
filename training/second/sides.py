"""Teaches the denoiser where "left" and "right" are, without which two subjects stood on either side by chance.

The text encoder gathers a subject at the word of its side, but the denoiser's own loss hardly says that cells of the
left half should look there, nor that the subject's colour should be there, too. So one head of the cross-attention at
the coarse levels is trained to look there, and the text encoder to name the colour there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import UNet2DConditionModel
from transformers import CLIPTokenizer

from training.second.scene import ALL_COLOURS, Scene

# The cross-attention whose cells know their place (a linear probe finds it there), with the times that they are halved.
LAYERS = {
    "down_blocks.2.attentions.0": 2,
    "mid_block.attentions.0": 3,
    "up_blocks.1.attentions.0": 2,
    "up_blocks.1.attentions.1": 2,
}
HEAD = 32
WEIGHT = 0.02
# Cells nearer to the middle than this share of the half width belong to neither side.
MIDDLE = 0.25
SIDES = ("left", "right")


def _keep(module: Any, inputs: tuple[Any, ...], output: Any) -> None:
    module.kept = output


def _attention(unet: UNet2DConditionModel, name: str) -> Any:
    """The attention to the words in a layer."""
    return unet.get_submodule(f"{name}.transformer_blocks.0.attn2")


def watch(module: Any) -> None:
    """Make the text encoder keep its last output, and the layers their queries and keys."""
    module.text_encoder.register_forward_hook(_keep)
    for name in LAYERS:
        attention = _attention(module.unet, name)
        attention.to_q.register_forward_hook(_keep)
        attention.to_k.register_forward_hook(_keep)


class Sides:
    """The loss of attention that looks to the wrong side, and of colours that are not at the word of their side.

    Zero where captions do not name both sides.
    """

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        known = tokenizer.get_vocab()
        self.words = [known[f"{side}</w>"] for side in SIDES]

    def __call__(self, module: Any, ids: torch.Tensor, scenes: Sequence[Scene], width: int) -> torch.Tensor:
        """The cross-entropies for captions `ids` of `scenes`: of the attention's head 0 against the word of the cell's
        side, for latents `width` cells wide, and of the colour at each of these words."""
        found = torch.stack([ids == word for word in self.words])
        told = found.any(2).all(0)
        if not told.any():
            return torch.zeros((), device=ids.device)
        places = found[:, told].int().argmax(2)
        losses = [self._of_layer(module.unet, name, told, places, width) for name in LAYERS]
        named = [scene for scene, both in zip(scenes, told.tolist(), strict=True) if both]
        loss = torch.stack(losses).mean() + self._of_colours(module, told, places, named)
        return WEIGHT * loss * told.float().mean()

    def _of_colours(self, module: Any, told: torch.Tensor, places: torch.Tensor, scenes: list[Scene]) -> torch.Tensor:
        words = module.text_encoder.kept[0][told]
        rows = torch.arange(len(words), device=words.device)
        losses = []
        for side, place in zip(SIDES, places, strict=True):
            colours = [_colour(scene, side) for scene in scenes]
            losses.append(F.cross_entropy(module.colours(words[rows, place]), torch.tensor(colours).to(words.device)))
        return torch.stack(losses).mean()

    def _of_layer(self, unet: Any, name: str, told: torch.Tensor, places: torch.Tensor, width: int) -> torch.Tensor:
        attention = _attention(unet, name)
        query, key = (layer.kept[told, :, :HEAD].float() for layer in (attention.to_q, attention.to_k))
        columns = -(-width // 2 ** LAYERS[name])
        across = torch.linspace(-1, 1, columns, device=query.device).repeat(query.shape[1] // columns)
        chosen = across.abs() > MIDDLE
        scores = (query[:, chosen] @ key.transpose(1, 2)) / HEAD**0.5
        side = (across[chosen] > 0).long()
        return F.cross_entropy(scores.flatten(0, 1), places[side].T.flatten())


def _colour(scene: Scene, side: str) -> int:
    """The number of the colour of what stands on a side of a scene of two."""
    thing = scene if scene.side == side or scene.second is None else scene.second
    return ALL_COLOURS.index(thing.colour)
