"""Positions in, priors' logits and values out: the one face of the network for players and generators."""

import copy
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.networks.residual.network import expected_score
from agent.networks.residual.plane_buffer import PlaneBuffer
from agent.networks.residual.planes import planes
from agent.rules import pack_moves
from kernels import legal_log_probs


class Evaluation(NamedTuple):
    """What the network says about B positions."""

    logits: Tensor
    """float32 [B, 1880], unmasked."""
    values: Tensor
    """float32 [B], expected score -1..1 for the side to move."""


class LegalEvaluation(NamedTuple):
    """What the network says about L positions, of their legal moves alone."""

    logits: NDArray[np.float32]
    """[L, K] of the legal moves, in their order, normalised or not; K at least the largest count, the rest is
    undefined."""
    values: NDArray[np.float32]
    """[L] expected score -1..1 of the side to move."""


class Evaluator:
    """Evaluates packed positions with a network on one device, in batches of bounded size: torch as it comes.

    Other runtimes of the same network are classes of their own; see `agent.networks.residual.runtimes`.

    Args:
        network: used as it is (not copied), put in evaluation mode.
        device: where to evaluate; bfloat16 autocast on CUDA, float32 on the CPU.
        batch_size: the most positions given to the network at once; bounds memory, not the caller.
    """

    def __init__(self, network: torch.nn.Module, device: torch.device | str = "cpu", batch_size: int = 512) -> None:
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.reads_planes = True
        """Whether the network reads input planes; a sparse one has features of its own."""
        self.least_batch = 16 if self.device.type == "cpu" else 1
        """Rows of smaller batches are rounded otherwise; `evaluate_legal` fills them up."""
        self._network = network.to(self.device).eval()

    overlaps = False
    """Whether `ask_legal` returns before the answer is there, so that callers can work meanwhile."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Swap in other weights of the same architecture."""
        self._network.load_state_dict(state)

    @torch.inference_mode()
    def evaluate(self, positions: NDArray[np.uint64], *, buffer: PlaneBuffer | None = None) -> Evaluation:
        """Evaluate packed positions uint64 [B, WORDS]; B may be 0. Results are on the device.

        `buffer` of B positions saves time where row by row the same games come ply after ply; its owner must not
        use it from another thread meanwhile.
        """
        # Even cuts: a short rest would be rounded otherwise, see `least_batch`.
        cuts = -(-len(positions) // self.batch_size)
        if buffer is not None and self.reads_planes and cuts:
            parts = [
                self._forward_planes(part) for part in torch.from_numpy(buffer.update(positions)).tensor_split(cuts)
            ]
        else:
            parts = [self._forward(part) for part in (np.array_split(positions, cuts) if cuts else [])]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Evaluation(torch.empty(0, 1880, device=self.device), torch.empty(0, device=self.device))
        return Evaluation(torch.cat([part.logits for part in parts]), torch.cat([part.values for part in parts]))

    @torch.inference_mode()
    def values(self, positions: NDArray[np.uint64]) -> NDArray[np.float32]:
        """float32 [B] expected scores of packed positions, on the CPU."""
        result: NDArray[np.float32] = self.evaluate(positions).values.cpu().numpy()
        return result

    @torch.inference_mode()
    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        """Evaluate positions [L, WORDS] with their legal `moves` [L, 224], of which the first `counts` [L] count.

        Smaller batches than `least_batch` are filled up with copies of a position: below 16 oneDNN takes other
        kernels, which round otherwise. So a position's result on a CPU does not depend on the positions beside it.
        Only the compact policy leaves the device.
        """
        length = len(positions)
        if 0 < length < self.least_batch:
            positions = np.concatenate([positions, np.repeat(positions[:1], self.least_batch - length, axis=0)])
        evaluation = self.evaluate(positions)
        legal = torch.from_numpy(pack_moves(moves, counts)).to(evaluation.logits.device)
        compact = legal_log_probs(evaluation.logits[:length], legal=legal, width=int(counts.max(initial=1)))
        return LegalEvaluation(compact.log_probs.cpu().numpy(), evaluation.values[:length].cpu().numpy())

    def ask_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> Callable[[], LegalEvaluation]:
        """As `evaluate_legal`, in two steps: the arrays were read when this returns, the result waits for the answer.

        Answers may be asked for in advance, and are to be taken in the order of asking.
        """
        found = self.evaluate_legal(positions, moves, counts)
        return lambda: found

    def take_version(self, loaded: int) -> int:
        """The oldest version of weights that answered since the last call; `loaded` if they are this object's own."""
        return loaded

    def _forward(self, positions: NDArray[np.uint64]) -> Evaluation:
        return self._forward_planes(torch.from_numpy(planes(positions)))

    def _forward_planes(self, inputs: Tensor) -> Evaluation:
        inputs = inputs.to(self.device)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            logits, value_logits = self._network(inputs)
        return Evaluation(logits.float(), expected_score(value_logits))


class ChannelsLastEvaluator(Evaluator):
    """The same on the CPU with each square's channels together in memory, which some convolutions prefer.

    Args:
        network: copied, for its memory is laid out anew.
        batch_size: see `Evaluator`.
    """

    def __init__(self, network: torch.nn.Module, batch_size: int = 512) -> None:
        relaid = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(relaid, "cpu", batch_size)

    def _forward_planes(self, inputs: Tensor) -> Evaluation:
        return super()._forward_planes(inputs.contiguous(memory_format=torch.channels_last))
