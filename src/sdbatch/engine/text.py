"""Text embeddings: every distinct text goes through the encoder once, chunk by chunk, always in the same call shape.

On CUDA nothing own waits for the device, because calls of other shots run while a shot starts.

Weights are applied as in A1111: multiply the chunk's embedding by its tokens' weights, then restore its mean.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from sdbatch.engine.graphs import Call, Graphs, Record
from sdbatch.engine.host import to_device
from sdbatch.engine.stats import Stats
from sdbatch.prompts.syntax import condition
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.spec.jobs import PromptBlend, Shot

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

    def of(self, shot: Shot, chunks: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(conditional, unconditional) embeddings, both ``chunks`` long; the second is None at guidance 1."""
        toward = shot.toward or PromptBlend(shot.prompt, shot.negative, shot.seed, 0.0)
        cond = self._blend(shot.prompt, toward.prompt, toward.amount, chunks)
        if shot.guidance == 1.0:
            return cond, None
        return cond, self._blend(shot.negative, toward.negative, toward.amount, chunks)

    def _blend(self, text: str, other: str, amount: float, chunks: int) -> torch.Tensor:
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
