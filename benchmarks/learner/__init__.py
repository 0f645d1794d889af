"""Speed of the learner beside the same step in stock PyTorch, and where its time goes: `zeromass benchmark learner`.

    zeromass benchmark learner learner.batch_size=2048 learner.threads=2 --rounds 5

Batches come from games that each config's generator played with an untrained network. Our step is compared with the
plain one (dense masked_fill and log-softmax, see `plain`). Both include sampling from the replay buffer. Ours also
meters invalid mass: it derives the legality of every trained position again.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from rich.table import Table

from agent.compilation import warm_up
from agent.networks.registry import make_network
from benchmarks.learner.plain import PlainLearner
from benchmarks.measuring import Figures, Found, Progress, in_turn, rate, table, threads
from benchmarks.selfplay.contenders import targets_by
from selfplay.pool import LocalPool
from training.assembly import make_replay
from training.learner import Learner
from training.replay import ReplayBuffer
from training.settings import Settings, load_settings

CASES: Final[dict[str, tuple[str, list[str]]]] = {
    "sparse, actor-critic": ("demo", []),
    "sparse, improved policies": ("cpu", []),
    "residual 3 x 32, actor-critic": ("demo", ["network.kind=residual"]),
}
"""A config and changes to it."""
_METHODS: Final = {"_loss": "loss", "_differentiate": "backward", "_measure": "meter", "_update": "optimiser"}
STAGES: Final = ("replay", "forward", *_METHODS.values())


class Watch:
    """Times the stages of a learner's steps by wrapping its methods; on CUDA each ends with a synchronisation."""

    def __init__(self, learner: Learner) -> None:
        self.seconds: Counter[str] = Counter()
        self._device, self.mark = learner.device, perf_counter()
        for name, stage in _METHODS.items():
            setattr(learner, name, partial(self._timed, getattr(learner, name), stage))

    def add(self, stage: str) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        before, self.mark = self.mark, perf_counter()
        self.seconds[stage] += self.mark - before  # type: ignore[assignment]

    def _timed(self, method: Callable[..., Any], stage: str, *args: Any) -> Any:
        if stage == "loss":
            self.add("forward")
        found = method(*args)
        self.add(stage)
        return found


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
    watch = Watch(ours)
    plain = PlainLearner(networks[1], settings.learner, searched=searched, device=ours.device)

    def our_step() -> int:
        watch.mark = perf_counter()
        batch = replay.sample(batch_size, generator)
        watch.add("replay")
        ours.train(batch, progress=0.0)
        return batch_size

    def plain_step() -> int:
        plain.train(replay.sample(batch_size, generator))
        return batch_size

    our_step()
    plain_step()
    watch.seconds.clear()
    steps = {"ours": partial(rate, our_step, seconds), "plain": partial(rate, plain_step, seconds)}
    speeds = in_turn(steps, rounds, progress)
    for name, values in speeds.items():
        figures.add(case, name, values, "positions/s")
    figures.ratio(case, "plain", speeds["ours"], speeds["plain"])
    for stage in STAGES:
        figures.add(case, stage, [watch.seconds[stage] / watch.seconds.total()], "")


def run(
    *, rounds: int = 3, seconds: float = 1.0, overrides: Sequence[str] = (), progress: Progress = lambda line: None
) -> Found:
    """Measure the learner; a stage's result is its share of our step."""
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
        table(found, "Share of our step", "case", STAGES),
        f"our step is {min(ratios):.2f} to {max(ratios):.2f} times as fast as the plain one",
    ]
