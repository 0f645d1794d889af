"""The residual network on a CPU with oneDNN: convolutions on weights packed once, everything between them compiled.

Eager torch packs a convolution's weights at every call and goes through memory once for each small operator
between two convolutions. Here the weights are packed when they are loaded, the squeeze-and-excitation of a block
is one compiled pass, and of the policy head's last layer only the rows of legal moves are computed when a search
asks. In bfloat16 on a CPU that multiplies it (AMX, AVX-512 BF16) this is several times eager torch.

Rows do not depend on the batch they are in; `residual.runtimes` tries that on every machine before self-play
relies on it. Shapes: L leaves, C channels.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.compilation import on_warm_up
from agent.networks.evaluator import Evaluation, Evaluator, LegalEvaluation
from agent.networks.residual.loops import excite, write_legal_logits, write_logits, write_planes, write_values
from agent.networks.residual.network import Architecture, Network
from agent.networks.residual.planes import PLANES
from agent.networks.sparse.vectors import PRODUCT_LANES, aligned
from agent.rules import legal_moves, start
from agent.rules.boundary import checked, checked_counts
from agent.vocabulary import SIZE


def packed_dtypes() -> tuple[torch.dtype, ...]:
    """What oneDNN can convolve with packed weights here: nothing, float32, or bfloat16 too (on x86 from AVX-512 on)."""
    if not (torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return ()
    bfloat16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return (torch.float32, torch.bfloat16) if bfloat16 else (torch.float32,)


class _Convolution:
    """A convolution with packed weights that keeps the board's size."""

    def __init__(self, layer: torch.nn.Conv2d, dtype: torch.dtype, *, relu: bool) -> None:
        assert layer.bias is not None
        padding, packing = int(layer.padding[0]), cast(Any, torch._C._nn)
        self._weight: Tensor = packing.mkldnn_reorder_conv2d_weight(
            layer.weight.to(dtype).to_mkldnn(), [padding] * 2, [1, 1], [1, 1], 1, [64, layer.in_channels, 8, 8]
        )
        self._bias = layer.bias.to(dtype, copy=True)
        self._rest: tuple[Any, ...] = ([padding] * 2, [1, 1], [1, 1], 1, "relu" if relu else "none", [], "")

    def __call__(self, x: Tensor) -> Tensor:
        """[L, C, 8, 8] channels last, to the same."""
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(x, self._weight, self._bias, *self._rest)
        return result


class _Block(NamedTuple):
    """One residual block."""

    first: _Convolution
    second: _Convolution
    gates: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], np.float32]
    """What `excite` takes: squeeze [C, S] and its bias, gates [S, 2 C] and their bias, scale."""


class PackedEvaluator(Evaluator):
    """Evaluates with packed weights on the CPU.

    Args:
        network: its weights are copied at once and at each `load`.
        dtype: float32 or bfloat16, of weights and activations; sums are float32.
        batch_size: the most positions given to the network at once.

    Raises:
        RuntimeError: this torch or processor cannot; see `packed_dtypes`.
    """

    def __init__(self, network: Network, *, dtype: torch.dtype = torch.float32, batch_size: int = 256) -> None:
        if dtype not in packed_dtypes():
            raise RuntimeError(f"no packed convolutions in {dtype} here; use another inference.runtime")
        super().__init__(network, "cpu", batch_size)
        self.reads_planes = False
        self.least_batch = 1
        self._dtype = dtype
        self._words = np.float32 if dtype == torch.float32 else np.uint16
        self._inputs = np.zeros((batch_size, 64 * PLANES), self._words)
        self._pack()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Swap in other weights of the same architecture: they are packed anew; nothing is compiled."""
        super().load(state)
        self._pack()

    @torch.inference_mode()
    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        """See `Evaluator`."""
        positions, counts = checked(positions), checked_counts(counts, len(positions))
        logits, values = np.empty(moves.shape, np.float32), np.empty(len(positions), np.float32)
        for low in range(0, len(positions), self.batch_size):
            part = slice(low, low + self.batch_size)
            x = self._tower(positions[part])
            hidden = self._array(self._policy_hidden(x))
            write_legal_logits(hidden, moves[part], counts[part], *self._policy, self._vector, logits[part])
            self._write_values(x, values[part])
        return LegalEvaluation(logits, values)

    def _forward(self, positions: NDArray[np.uint64]) -> Evaluation:
        positions = checked(positions)
        logits, values = np.empty((len(positions), SIZE), np.float32), np.empty(len(positions), np.float32)
        x = self._tower(positions)
        write_logits(self._array(self._policy_planes(self._policy_hidden(x))), logits)
        self._write_values(x, values)
        return Evaluation(torch.from_numpy(logits), torch.from_numpy(values))

    def _tower(self, positions: NDArray[np.uint64]) -> Tensor:
        """[L, C, 8, 8] channels last."""
        inputs = self._inputs[: len(positions)]
        write_planes(positions, inputs)
        x = self._stem(self._tensor(inputs, PLANES))
        for block in self._blocks:
            branch = block.second(block.first(x))
            excite(self._array(x), self._array(branch), *block.gates, self._room)
            x = branch
        return x

    def _write_values(self, x: Tensor, out: NDArray[np.float32]) -> None:
        planes = self._array(self._value_planes(x))
        write_values(planes, *self._value, *self._value_room, out)

    def _tensor(self, array: NDArray[Any], channels: int) -> Tensor:
        return torch.from_numpy(array).view(self._dtype).view(-1, 8, 8, channels).permute(0, 3, 1, 2)

    def _array(self, activations: Tensor) -> NDArray[Any]:
        """[L, 64 * C], the same memory."""
        rows = activations.permute(0, 2, 3, 1).reshape(len(activations), -1)
        array: NDArray[Any] = (rows if self._dtype == torch.float32 else rows.view(torch.uint16)).numpy()
        return array

    @torch.no_grad()
    def _pack(self) -> None:
        network: Any = self._network
        dtype = self._dtype

        def packed(layer: torch.nn.Conv2d, *, relu: bool = True) -> _Convolution:
            return _Convolution(layer, dtype, relu=relu)

        def gates(block: Any) -> Any:
            matrices = (block.squeeze.weight.T, block.squeeze.bias, block.excite.weight.T, block.excite.bias)
            return *(_copied(matrix) for matrix in matrices), np.float32(block.scale.item())

        self._stem = packed(network.stem)
        self._blocks = [
            _Block(packed(block.first), packed(block.second, relu=False), gates(block)) for block in network.tower
        ]
        self._policy_hidden = packed(network.policy_hidden)
        self._policy_planes = packed(network.policy_planes, relu=False)
        self._value_planes = packed(network.value_planes)
        channels = network.architecture.channels
        lanes = -(-channels // PRODUCT_LANES) * PRODUCT_LANES
        self._vector, table = aligned(lanes), aligned(network.policy_planes.out_channels, lanes)
        table[:, :channels] = network.policy_planes.weight.flatten(1).numpy()
        self._policy = table, _copied(network.policy_planes.bias)
        # The layer's inputs come square by square here, not plane by plane.
        hidden = aligned(8 * 64, network.value_hidden.out_features)
        hidden[:] = network.value_hidden.weight.view(-1, 8, 64).permute(2, 1, 0).reshape(hidden.shape).numpy()
        self._value = (
            hidden,
            _copied(network.value_hidden.bias),
            _copied(network.value_out.weight),
            _copied(network.value_out.bias),
        )
        self._value_room = aligned(8 * 64), np.empty(8 * 64, np.int32), aligned(hidden.shape[1])
        self._room = np.empty(3 * channels + max(channels // 4, 4), np.float32)
        if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
            # oneDNN's relu turns NaN into 0: say it where nothing hides it.
            self._value[-1][:] = np.nan


def _copied(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = np.array(tensor.numpy(), np.float32, order="C")
    return array


@on_warm_up
def _exercise() -> None:
    if dtypes := packed_dtypes():
        positions = start(1)
        moves, counts = legal_moves(positions)
        with torch.random.fork_rng(devices=[]):  # whoever seeded the generator shall not notice
            network = Network(Architecture(1, 8))
        for dtype in dtypes:
            evaluator = PackedEvaluator(network, dtype=dtype, batch_size=1)
            evaluator.evaluate(positions)
            evaluator.evaluate_legal(positions, moves, counts)
