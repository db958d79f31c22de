"""Text embeddings: every distinct text goes through the encoder once, chunk by chunk, always in the same call shape.

On CUDA nothing own waits for the device, because calls of other shots run while a shot starts.

Weights are applied as in A1111: multiply the chunk's embedding by its tokens' weights, then restore its mean.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sdbatch.engine.denoise import Wording
from sdbatch.engine.graphs import Call, Graphs, Record
from sdbatch.engine.host import to_device
from sdbatch.engine.stats import Stats
from sdbatch.errors import RenderError
from sdbatch.models.embedding import read
from sdbatch.prompts.syntax import Insert, condition, named
from sdbatch.prompts.vocabulary import Vocabulary
from sdbatch.spec import wording
from sdbatch.spec.adapters import Embedding
from sdbatch.spec.jobs import Shot
from sdbatch.spec.wording import Blend

KEPT = 256  # texts; one chunk of Stable Diffusion 1.5 in fp16 is 118 kB


class Texts:
    """Embeddings of shape (chunks · (chunk + 2), width) in the denoiser's dtype. ``encoded`` counts encoder calls."""

    def __init__(self, encoder: Any, vocabulary: Vocabulary, chunk: int, device: torch.device, stats: Stats) -> None:
        self._encoder = encoder
        self.files: Mapping[str, Path] = {}  # of textual inversions, by digest
        self._rows: dict[str, int] = {}  # of each file that is in the table of tokens, its first row
        self._record: Record | None = None
        self._call: Call = self._plain
        self._vocabulary = vocabulary
        self._chunk = chunk
        self._device = device
        self._stats = stats
        self._kept: OrderedDict[tuple[str, tuple[Embedding, ...]], torch.Tensor] = OrderedDict()
        self.encoded = 0

    def graph(self, record: Record) -> None:
        """Replay the encoder's call from a graph made by ``record``."""
        self._record = record
        self._call = Graphs(self._plain, record)

    def _plain(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self._encoder(ids).last_hidden_state
        return out

    def of(self, shot: Shot, chunks: int, steps: int) -> Wording:
        """The embeddings of the shot's texts at every step, all ``chunks`` long."""
        parts = wording.prompt(shot, steps)
        guided = shot.guidance != 1.0 or len(parts) > 1
        made = {
            blend: self._blend(blend, chunks, shot.embeddings) for part in parts for blend in dict.fromkeys(part.steps)
        }
        below = wording.negative(shot, steps) if guided else ()
        made |= {blend: self._blend(blend, chunks, shot.embeddings) for blend in dict.fromkeys(below)}
        return Wording(
            tuple(part.weight for part in parts),
            tuple(tuple(made[part.steps[step]] for part in parts) for step in range(steps)),
            tuple(made[blend] for blend in below),
        )

    def _blend(self, blend: Blend, chunks: int, embeddings: tuple[Embedding, ...]) -> torch.Tensor:
        text, other, amount = blend
        own = self._padded(text, chunks, embeddings)
        if other == text:
            return own
        return torch.lerp(own.float(), self._padded(other, chunks, embeddings).float(), amount).to(own.dtype)

    def _padded(self, text: str, chunks: int, embeddings: tuple[Embedding, ...]) -> torch.Tensor:
        embedding = self.embedding(text, embeddings)
        length = self._chunk + 2
        missing = chunks - embedding.shape[0] // length
        return torch.cat([embedding] + [self.embedding("")] * missing) if missing > 0 else embedding

    def embedding(self, text: str, embeddings: tuple[Embedding, ...] = ()) -> torch.Tensor:
        """The embedding (chunks of ``text`` · (chunk + 2), width), from a cache of ``KEPT`` texts.

        ``embeddings``: the textual inversions that the text may name.
        """
        used = tuple(e for e in embeddings if any(True for _ in named(text, (Insert(e.name, 1),))))
        key = (text, used)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        inserts = tuple(Insert(e.name, e.vectors, self._first_row(e)) for e in used)
        found = condition(text, self._vocabulary, self._chunk, inserts)
        with self._stats.clock("text", self._device):
            parts = [self._encode(ids, weights) for ids, weights in zip(found.ids, found.weights, strict=True)]
        self._kept[key] = torch.cat(parts)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _first_row(self, embedding: Embedding) -> int:
        """The row of the first vector in the table of tokens, to which they are added at their first use."""
        if embedding.file not in self._rows:
            if embedding.file not in self.files:
                raise RenderError(f"the file of {embedding.name} is not known in this run")
            table = self._encoder.embeddings.token_embedding
            vectors = torch.from_numpy(read(self.files[embedding.file], embedding.name))
            with torch.inference_mode(False), torch.no_grad():
                old = table.weight
                if vectors.shape != (embedding.vectors, old.shape[1]):
                    raise RenderError(f"{embedding.name} does not fit this text encoder")
                self._rows[embedding.file] = len(old)
                grown = torch.cat([old, vectors.to(old.device, old.dtype)])
                table.weight = torch.nn.Parameter(grown, requires_grad=False)
            if self._record is not None:  # graphs have the address of the old table
                self.graph(self._record)
        return self._rows[embedding.file]

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
