"""Small calls as CUDA graphs: two rows of the denoiser, or a text, are hundreds of kernels that take longer to launch
than to run.

A graph is recorded at the first call of a shape and compared with the plain call. If its bits differ, or recording
fails, calls of that shape stay plain, and a warning is logged. A graph replays the recorded kernels, so equal bits in
the comparison imply equal bits for other inputs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Call = Callable[..., Tensor]  # tensors in, one out; all shapes fixed by those that come in
Record = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]
log = logging.getLogger(__name__)


class Graphs:
    """Called like the function that it wraps. ``record`` runs a function once and returns (replay, its output)."""

    def __init__(self, call: Call, record: Record) -> None:
        self._call = call
        self._record = record
        self._graphs: dict[tuple[torch.Size, ...], Recorded | None] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        key = tuple(tensor.shape for tensor in inputs)
        if key not in self._graphs:
            plain = self._call(*inputs)  # also initializes libraries, which is not possible while recording
            self._graphs[key] = self._checked(inputs, plain)
            return plain
        graph = self._graphs[key]
        return self._call(*inputs) if graph is None else graph(*inputs)

    def _checked(self, inputs: tuple[Tensor, ...], plain: Tensor) -> Recorded | None:
        shape = "x".join(map(str, inputs[0].shape))
        try:
            graph = Recorded(self._call, self._record, inputs)
            if torch.equal(graph(*inputs), plain):
                return graph
            log.warning("calls of %s run without a CUDA graph: it gives other bits", shape)
        except RuntimeError as e:  # OutOfMemoryError included
            log.warning("calls of %s run without a CUDA graph: %s", shape, str(e).strip().split("\n")[0][:160])
        return None


class Recorded:
    """One recorded call: inputs are copied into its static buffers, its output is copied out of them."""

    def __init__(self, call: Call, record: Record, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(tensor.clone() for tensor in inputs)  # keeps the memory format
        self._replay, self._output = record(lambda: call(*self._inputs))

    def __call__(self, *inputs: Tensor) -> Tensor:
        for own, new in zip(self._inputs, inputs, strict=True):
            own.copy_(new)
        self._replay()
        return self._output.clone()


class CudaRecorder:
    """Records on CUDA. One pool for all graphs: outputs are copied out before another one is replayed."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            output = function()
        return graph.replay, output
