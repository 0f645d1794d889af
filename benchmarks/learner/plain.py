"""The learning step in stock PyTorch: the baseline of the learner benchmark. The same networks, batches, losses,
clipping and AdamW, written the usual way: logits of all 1,880 moves, illegal ones filled with -inf before a dense
log-softmax, rows of the sparse network by `embedding_bag`. Nothing of `kernels`, no meter."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, log_softmax

from agent import rules, vocabulary
from agent.networks.network import Network
from agent.networks.sparse.gather import sum_of_rows_torch
from training.learner import GRADIENT_CLIP
from training.losses import CLIP
from training.replay import Batch
from training.settings import LearnerSettings


def _sparse(network: Any, positions: NDArray[np.uint64]) -> tuple[Tensor, Tensor]:
    batch = network.batch(positions)
    features = network.features.weight, network.features.bias
    first = torch.relu(sum_of_rows_torch(*features, batch.features, batch.offsets))
    hidden = torch.relu(first @ network.hidden.weight + network.hidden.bias)
    logits = linear(hidden, network.policy.weight, network.policy.bias)
    by_kind = linear(hidden, network.kinds.weight, network.kinds.bias)
    owner = torch.repeat_interleave(batch.move_offsets.diff())
    added = by_kind[owner, batch.kinds.long()]
    logits = logits.index_put((owner, batch.moves.long()), added, accumulate=True)
    return logits, linear(hidden, network.value.weight, network.value.bias)


class PlainLearner:
    """AdamW on a network of ours with stock operators: learns improved policies if `searched`, else by actor-critic."""

    def __init__(
        self, network: Network, settings: LearnerSettings, *, searched: bool, device: torch.device | str = "cpu"
    ) -> None:
        self.network = network.to(device).train()
        self._settings, self._searched, self._device = settings, searched, device
        rate, decay = settings.learning_rate, settings.weight_decay
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)

    def train(self, batch: Batch) -> float:
        """One step on B plies at the first learning rate; the loss."""
        sparse = self.network.architecture.kind == "sparse"  # the residual network has torch's operators alone
        forward = _sparse(self.network, batch.positions) if sparse else self.network.dense(batch.positions)
        bits = np.unpackbits(rules.legal_bits(batch.positions).view(np.uint8), axis=1, bitorder="little")
        legal, (logits, value_logits) = self._tensor(bits[:, : vocabulary.SIZE]).bool(), forward
        loss = self._loss(batch, log_softmax(logits.masked_fill(~legal, -torch.inf), 1), value_logits, legal)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_CLIP)
        self._optimizer.step()
        return float(loss.detach())

    def _loss(self, batch: Batch, log_probs: Tensor, value_logits: Tensor, legal: Tensor) -> Tensor:
        settings = self._settings
        # 0 * -inf is NaN: illegal entries leave the sum before they are multiplied.
        entropy = -(log_probs.exp() * log_probs.masked_fill(~legal, 0.0)).sum(1).mean()
        value = cross_entropy(value_logits, self._tensor(batch.wdl))
        if self._searched:
            policy = -(_dense_targets(batch, self._device) * log_probs.masked_fill(~legal, 0.0)).sum(1).mean()
        else:
            advantages = self._tensor(batch.advantages)
            advantages = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-6)
            chosen = log_probs.gather(1, self._tensor(batch.moves)[:, None])[:, 0]
            ratio = (chosen - self._tensor(batch.log_probs)).exp()
            limited = ratio.clamp(1 - CLIP, 1 + CLIP)
            policy = -torch.minimum(ratio * advantages, limited * advantages).mean()
        return policy + settings.value_weight * value - settings.entropy_bonus * entropy

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _dense_targets(batch: Batch, device: torch.device | str) -> Tensor:
    ragged = batch.policies
    targets = np.zeros((len(batch.positions), vocabulary.SIZE), np.float32)
    targets[np.repeat(np.arange(len(targets)), np.diff(ragged.offsets)), ragged.indices] = ragged.probabilities
    return torch.from_numpy(targets).to(device)
