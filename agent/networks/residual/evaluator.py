"""The residual network for players and self-play, on one of two runtimes.

| runtime | what it is | where |
|---|---|---|
| `eager` | torch as it comes; half precision on CUDA, see `autocast_dtype` | everywhere |
| `graphs` | that in CUDA graphs with pinned staging, one a batch size | CUDA |

A graph replays its kernels without Python between them, which is what limits small networks on a large GPU.
It reads and writes fixed memory: positions are staged in pinned memory, copied to the device without waiting, and
expanded to planes there. Smaller batches leave the rest of a graph's rows unused. New weights are copied into the
memory that the graphs read, so they need no new graph."""

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.errors import InputError
from agent.networks.evaluator import Evaluation, Evaluator
from agent.networks.network import autocast_dtype, expected_score
from agent.networks.residual.network import ResidualNetwork
from agent.networks.residual.planes import planes_torch
from agent.rules import WORDS

_WARM_UPS: Final = 3  # cuDNN and the allocator settle before recording


class _Graph(NamedTuple):
    """A recorded forward pass of N positions."""

    graph: torch.cuda.CUDAGraph
    staged: Tensor  # int64 [N, WORDS], pinned; the others are on the device
    positions: Tensor  # int64 [N, WORDS]
    logits: Tensor  # float32 [N, 1880]
    values: Tensor  # float32 [N]
    sent: torch.cuda.Event  # the last copy from `staged` has ended


class GraphEvaluator(Evaluator):
    """Evaluates with CUDA graphs, recorded at the first use of each size, see `graph_size`. `network` is not copied;
    its convolutions' weights are laid out channels last."""

    def __init__(self, network: ResidualNetwork, device: torch.device | str = "cuda", batch_size: int = 1024) -> None:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(network, device, batch_size)
        self._planes, self._dtype = network, autocast_dtype(self.device)
        self._graphs: dict[int, _Graph] = {}

    def _forward(self, positions: NDArray[np.uint64]) -> Evaluation:
        length = len(positions)
        size = min(graph_size(length), self.batch_size)
        if size not in self._graphs:
            self._graphs[size] = self._record(size)
        graph = self._graphs[size]
        graph.sent.synchronize()
        graph.staged[:length].copy_(torch.from_numpy(np.ascontiguousarray(positions).view(np.int64)))
        graph.positions.copy_(graph.staged, non_blocking=True)
        graph.sent.record(torch.cuda.current_stream(self.device))
        graph.graph.replay()
        # Copies: the graph's memory is written again by the next call.
        return Evaluation(graph.logits[:length].clone(), graph.values[:length].clone())

    def _record(self, size: int) -> _Graph:
        staged = torch.zeros(size, WORDS, dtype=torch.int64, pin_memory=True)
        positions = staged.to(self.device)
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                self._compute(positions)
        torch.cuda.current_stream(self.device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits, values = self._compute(positions)
        return _Graph(graph, staged, positions, logits, values, torch.cuda.Event())  # type: ignore[no-untyped-call]

    def _compute(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        inputs = planes_torch(positions, self._dtype).contiguous(memory_format=torch.channels_last)
        # No cache of cast weights: the casts must be part of the graph, or new weights would never be seen.
        with torch.autocast("cuda", self._dtype, enabled=self._dtype != torch.float32, cache_enabled=False):
            logits, value_logits = self._planes(inputs)
        return logits.float(), expected_score(value_logits)


def graph_size(length: int) -> int:
    """The least of 16, 24, 32, 48, 64, 96, ... that holds `length` positions: less than half as many again."""
    size = 16
    while size < length:
        size = size * 3 // 2 if size & (size - 1) == 0 else size // 3 * 4
    return size


def check_runtime(runtime: str, device: torch.device) -> None:
    """Refuse a runtime that does not run on `device`. An InputError where it is `graphs` without CUDA."""
    if runtime == "graphs" and device.type != "cuda":
        raise InputError("selfplay.runtime=graphs needs a CUDA device; use auto or eager")


def make_evaluator(network: ResidualNetwork, device: torch.device, runtime: str) -> Evaluator:
    """The network on a runtime, see `check_runtime`; `auto` is `graphs` on CUDA, `eager` on the CPU."""
    check_runtime(runtime, device)
    if runtime == "graphs" or (runtime == "auto" and device.type == "cuda"):
        return GraphEvaluator(network, device)
    return Evaluator(network, device)


make_network = ResidualNetwork
