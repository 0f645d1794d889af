"""Speed of the learner beside the same step in stock PyTorch: `zeromass benchmark learner`.

    zeromass benchmark learner learner.batch_size=2048 learner.threads=2 --rounds 5

Batches come from games that each config's generator played with an untrained network. Our step is compared with the
plain one, written the usual way: logits of all 1,880 moves, illegal ones filled with -inf before a dense log-softmax,
rows of the sparse network by `embedding_bag`. Both have the same networks, batches, losses, clipping and AdamW, and
include sampling from the replay buffer. Ours also meters invalid mass: it derives the legality of every trained
position again. The plain one uses nothing of `kernels`, and has no meter."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, log_softmax

from agent import rules, vocabulary
from agent.compilation import warm_up
from agent.networks.network import Network
from agent.networks.registry import make_network
from agent.networks.sparse.gather import sum_of_rows_torch
from benchmarks.measuring import Figures, Found, Progress, in_turn, rate, table, threads
from selfplay.pool import LocalPool
from training.assembly import make_replay
from training.learner import GRADIENT_CLIP, Learner
from training.losses import CLIP
from training.replay import Batch, ReplayBuffer
from training.settings import LearnerSettings, Settings, load_settings
from training.targets import targets_by

CASES: Final[dict[str, tuple[str, list[str]]]] = {
    "sparse, actor-critic": ("demo", []),
    "sparse, improved policies": ("cpu", []),
    "residual 3 x 32, actor-critic": ("demo", ["network.kind=residual"]),
}
"""A config and changes to it."""


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
            ragged, targets = batch.policies, np.zeros(log_probs.shape, np.float32)
            targets[np.repeat(np.arange(len(targets)), np.diff(ragged.offsets)), ragged.indices] = ragged.probabilities
            policy = -(self._tensor(targets) * log_probs.masked_fill(~legal, 0.0)).sum(1).mean()
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


def filled_replay(settings: Settings, positions: int) -> ReplayBuffer:
    """At least `positions` plies of games of an untrained network by these settings."""
    actors, learner = settings.actor, settings.learner
    pool, replay = LocalPool(actors), make_replay(settings)
    network = make_network(actors.architecture)
    pool.publish({name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}, 0)
    while len(replay) < positions:
        for record in pool.collect(wait=True)[0].records:
            replay.add(record, targets_by(learner, record))
    return replay


def measure(figures: Figures, case: str, settings: Settings, rounds: int, seconds: float, progress: Progress) -> None:
    searched, batch_size = settings.selfplay.simulations > 0, settings.learner.batch_size
    replay, generator = filled_replay(settings, 2 * batch_size), np.random.default_rng(0)
    networks = [make_network(settings.network.architecture) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    ours = Learner(networks[0], settings.learner, searched=searched)
    plain = PlainLearner(networks[1], settings.learner, searched=searched, device=ours.device)

    def our_step() -> int:
        ours.train(replay.sample(batch_size, generator), progress=0.0)
        return batch_size

    def plain_step() -> int:
        plain.train(replay.sample(batch_size, generator))
        return batch_size

    our_step()
    plain_step()
    steps = {"ours": partial(rate, our_step, seconds), "plain": partial(rate, plain_step, seconds)}
    speeds = in_turn(steps, rounds, progress)
    for name, values in speeds.items():
        figures.add(case, name, values, "positions/s")
    figures.ratio(case, "plain", speeds["ours"], speeds["plain"])


def run(
    *, rounds: int = 3, seconds: float = 1.0, overrides: Sequence[str] = (), progress: Progress = lambda line: None
) -> Found:
    """Measure the learner in each case."""
    chosen = {case: load_settings(config, [*changes, *overrides]) for case, (config, changes) in CASES.items()}
    warm_up(progress)
    figures = Figures()
    for case, settings in chosen.items():
        progress(f"{case} ...")
        with threads(settings.learner.threads):
            measure(figures, case, settings, rounds, seconds, progress)
    return figures.found


def show(found: Found) -> list[Table | str]:
    ratios = [row["value"] for row in found["ratios"]]
    return [
        table(found, "Positions trained a second; in bold ours to the plain step", "case", ("ours", "plain")),
        f"our step is {min(ratios):.2f} to {max(ratios):.2f} times as fast as the plain one",
    ]
