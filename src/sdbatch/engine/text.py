"""Text embeddings: every distinct text goes through the encoder once, chunk by chunk, always in the same call shape.

On CUDA nothing own waits for the device, because calls of other shots run while a shot starts.

Weights are applied as in A1111: multiply the chunk's embedding by its tokens' weights, then restore its mean.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from sdbatch.engine.denoise import Wording
from sdbatch.engine.graphs import Call, Graphs, Record
from sdbatch.engine.host import to_device
from sdbatch.engine.stats import Stats
from sdbatch.prompts.syntax import condition
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.spec import wording
from sdbatch.spec.jobs import Shot
from sdbatch.spec.wording import Blend

KEPT = 256  # texts; one chunk of Stable Diffusion 1.5 in fp16 is 118 kB


class Texts:
    """Embeddings of shape (chunks · (chunk + 2), width) in the denoiser's dtype. ``encoded`` counts encoder calls."""

    def __init__(self, encoder: Any, vocabulary: Vocabulary, chunk: int, device: torch.device, stats: Stats) -> None:
        self._encoder = encoder
        self._call: Call = lambda ids: encoder(ids).last_hidden_state
        self._vocabulary = vocabulary
        self._chunk = chunk
        self._device = device
        self._stats = stats
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self.encoded = 0

    def graph(self, record: Record) -> None:
        """Replay the encoder's call from a graph made by ``record``."""
        self._call = Graphs(self._call, record)

    def of(self, shot: Shot, chunks: int, steps: int) -> Wording:
        """The embeddings of the shot's texts at every step, all ``chunks`` long."""
        parts = wording.prompt(shot, steps)
        guided = shot.guidance != 1.0 or len(parts) > 1
        made = {blend: self._blend(blend, chunks) for part in parts for blend in dict.fromkeys(part.steps)}
        below = wording.negative(shot, steps) if guided else ()
        made |= {blend: self._blend(blend, chunks) for blend in dict.fromkeys(below)}
        return Wording(
            tuple(part.weight for part in parts),
            tuple(tuple(made[part.steps[step]] for part in parts) for step in range(steps)),
            tuple(made[blend] for blend in below),
        )

    def _blend(self, blend: Blend, chunks: int) -> torch.Tensor:
        text, other, amount = blend
        own = self._padded(text, chunks)
        if other == text:
            return own
        return torch.lerp(own.float(), self._padded(other, chunks).float(), amount).to(own.dtype)

    def _padded(self, text: str, chunks: int) -> torch.Tensor:
        embedding = self.embedding(text)
        length = self._chunk + 2
        missing = chunks - embedding.shape[0] // length
        return torch.cat([embedding] + [self.embedding("")] * missing) if missing > 0 else embedding

    def embedding(self, text: str) -> torch.Tensor:
        """The embedding (chunks of ``text`` · (chunk + 2), width), from a cache of ``KEPT`` texts."""
        if text in self._kept:
            self._kept.move_to_end(text)
            return self._kept[text]
        found = condition(text, self._vocabulary, self._chunk)
        with self._stats.clock("text", self._device):
            parts = [self._encode(ids, weights) for ids, weights in zip(found.ids, found.weights, strict=True)]
        self._kept[text] = torch.cat(parts)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[text]

    def _encode(self, ids: tuple[int, ...], weights: tuple[float, ...]) -> torch.Tensor:
        """The embedding (chunk + 2, width) of one chunk."""
        self.encoded += 1
        plain = self._call(to_device(torch.tensor([ids]), self._device))[0]
        if all(w == 1.0 for w in weights):
            return plain
        z = plain.float()
        weighted = z * to_device(torch.tensor(weights), self._device)[:, None]
        mean = weighted.mean()
        return (torch.where(mean == 0, weighted, weighted * (z.mean() / mean))).to(plain.dtype)
