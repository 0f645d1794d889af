"""Speed of the learner beside the same step in stock PyTorch, and where its time goes.

    python -m benchmarks.learner
    python -m benchmarks.learner --cases "sparse, improved policies" --threads 1

Batches come from games that each config's generator played (untrained network). Our step and the plain one (dense
masked_fill and log-softmax, see `learner_plain.py`) are timed in turn, `rounds` times: results are medians, a ratio is
the median of the rounds' ratios. Ours includes sampling from the replay and the meter of invalid mass, which derives
legality anew for every position trained; the plain step has no meter. Close everything else first.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np
import torch

from agent.compilation import warm_up
from agent.networks.network import Network, Prediction
from agent.networks.registry import architecture_of, make_network
from benchmarks.learner_plain import PlainLearner
from benchmarks.selfplay_flow import targets_by
from selfplay.pool import LocalPool
from training.learner import Learner
from training.loop import make_replay
from training.losses import Loss
from training.replay import Batch, Replay
from training.run import actor_settings_of
from training.settings import LearnerSettings, Settings, load_settings


class Case(NamedTuple):
    """A config and what is changed of it."""

    config: str
    overrides: tuple[str, ...] = ()


CASES: Final = {
    "sparse, actor-critic": Case("demo"),
    "sparse, improved policies": Case("cpu"),
    "residual 3 x 32, actor-critic": Case("demo", ("network.kind=residual",)),
}
STAGES: Final = ("replay", "forward", "loss", "backward", "optimiser", "meter")


class TimedLearner(Learner):
    """The learner with a watch between its stages; on CUDA each waits for the device."""

    def __init__(self, network: Network, settings: LearnerSettings, *, searched: bool) -> None:
        super().__init__(network, settings, searched=searched)
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._mark = 0.0

    def sample(self, replay: Replay, generator: np.random.Generator) -> Batch:
        """A batch, timed."""
        self._mark = perf_counter()
        batch = replay.sample(self.settings.batch_size, generator)
        self._count("replay")
        return batch

    def _count(self, stage: str) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = perf_counter()
        self.seconds[stage] += now - self._mark
        self._mark = now

    def _loss(self, batch: Batch, output: Prediction) -> Loss:
        self._count("forward")
        loss = super()._loss(batch, output)
        self._count("loss")
        return loss

    def _differentiate(self, loss: Loss) -> Loss:
        told = super()._differentiate(loss)
        self._count("backward")
        return told

    def _update(self, loss: Loss, progress: float) -> float:
        norm = super()._update(loss, progress)
        self._count("optimiser")
        return norm

    def _note(self, batch: Batch, output: Prediction, loss: Loss, norm: float) -> None:
        super()._note(batch, output, loss, norm)
        self._count("meter")


def filled_replay(settings: Settings, positions: int) -> Replay:
    """At least `positions` plies of games that an untrained network played as the settings say."""
    actors, learner = actor_settings_of(settings), settings.learner
    pool, replay = LocalPool(actors), make_replay(settings)
    network = make_network(actors.architecture)
    pool.publish({name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}, 0)
    while len(replay) < positions:
        for record in pool.collect(wait=True)[0].records:
            replay.add(record, targets_by(learner, record))
    return replay


def timed(step: Callable[[], object], positions: int, seconds: float) -> float:
    """Positions a second of `step`, which trains on `positions`."""
    steps, started = 0, perf_counter()
    while not steps or perf_counter() - started < seconds:
        step()
        steps += 1
    return steps * positions / (perf_counter() - started)


def measure(name: str, settings: Settings, *, threads: int, rounds: int, seconds: float) -> dict[str, list[Any]]:
    """Measure one case on `threads` torch threads."""
    torch.set_num_threads(threads)
    searched, batch_size = settings.selfplay.simulations > 0, settings.learner.batch_size
    replay, generator = filled_replay(settings, 2 * batch_size), np.random.default_rng(0)
    networks = [make_network(architecture_of(settings.network)) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    ours = TimedLearner(networks[0], settings.learner, searched=searched)
    plain = PlainLearner(networks[1], settings.learner, searched=searched, device=ours.device)

    def our_step() -> None:
        ours.train(ours.sample(replay, generator), progress=0.0)

    def plain_step() -> None:
        plain.train(replay.sample(batch_size, generator))

    our_step()
    plain_step()
    ours.seconds = dict.fromkeys(STAGES, 0.0)
    speeds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for step, figures in zip((our_step, plain_step), speeds, strict=True):
            figures.append(timed(step, batch_size, seconds))
    title = f"{name}, batch {batch_size}, {threads} thread{'s' if threads > 1 else ''}"
    total = sum(ours.seconds.values())
    quotients = [mine / other for mine, other in zip(*speeds, strict=True)]
    return {
        "results": [
            {"name": f"{title}: trained", "value": statistics.median(speeds[0]), "unit": "positions/s"},
            {"name": f"{title}: trained, plain step", "value": statistics.median(speeds[1]), "unit": "positions/s"},
            *(
                {"name": f"{title}: share, {stage}", "value": taken / total, "unit": ""}
                for stage, taken in ours.seconds.items()
            ),
        ],
        "ratios": [
            {
                "name": f"{title}: ours / plain",
                "value": statistics.median(quotients),
                "low": min(quotients),
                "high": max(quotients),
            }
        ],
    }


def run(
    *,
    cases: Sequence[str] = tuple(CASES),
    threads: Sequence[int] = (1, 2),
    rounds: int = 3,
    seconds: float = 1.0,
    overrides: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Measure the learner.

    Args:
        cases: of `CASES`.
        threads: of torch, one measurement each.
        rounds: times that our step and the plain one are timed in turn.
        seconds: of one timing; at least one step is made.
        overrides: of the configs' settings, as `key=value`.
        progress: gets lines of text.

    Returns:
        {"results": [{name, value, unit}], "ratios": [{name, value, low, high}]}.

    Raises:
        InputError: an override is refused.
    """
    report = progress or (lambda _: None)
    chosen = {case: load_settings(CASES[case].config, [*CASES[case].overrides, *overrides]) for case in cases}
    warm_up(report)
    before = torch.get_num_threads()
    found: dict[str, list[dict[str, Any]]] = {"results": [], "ratios": []}
    try:
        for case, settings in chosen.items():
            for number in threads:
                report(f"{case}: {number} threads, {rounds} rounds ...")
                part = measure(case, settings, threads=number, rounds=rounds, seconds=seconds)
                for key, rows in part.items():
                    found[key] += rows
    finally:
        torch.set_num_threads(before)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one timing")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings beside the configs'")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    found = run(
        cases=chosen.cases,
        threads=chosen.threads,
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        overrides=chosen.set,
        progress=lambda line: print(line, file=sys.stderr),
    )
    if chosen.json:
        print(json.dumps(found))
        return
    for result in found["results"]:
        print(f"{result['name']:76} {result['value']:>12,.4g} {result['unit']}")
    for ratio in found["ratios"]:
        print(f"{ratio['name']:76} {ratio['value']:>12.2f} times ({ratio['low']:.2f} to {ratio['high']:.2f})")


if __name__ == "__main__":
    main()
