"""Whole-system self-play: Ray actors beside as many plain processes, and what limits them.

    python -m benchmarks.selfplay
    python -m benchmarks.selfplay --modes search --seconds 8 --set selfplay.games=64

The actors are those of a run: a `RayPool` by the settings of a config (mode `policy` is `demo`, `search` is `cpu`).
Their games are collected here, turned into targets and put into a replay, and weights are published as often as a
learner that keeps up with them would. The plain processes have the same generators and keep their games. Both play in
turn, `rounds` times, in processes that stay; results are medians, a ratio is the median of the rounds' ratios.

A last turn is the training loop itself: what the actors do while a learner has the same cores. Shares are of the
actors' time. Close everything else first.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

import ray
import torch

from agent.compilation import warm_up
from agent.errors import InputError
from agent.networks.registry import architecture_of, make_network
from benchmarks.selfplay_flow import Flow, WatchedPool, targets_by
from benchmarks.selfplay_ingest import calls_per_second, ingest
from benchmarks.selfplay_plain import PlainProcesses, Played
from selfplay.actor import Weights
from selfplay.pool import RayPool
from training.cluster import start_ray
from training.durability.run_folder import RunFolder
from training.loop import TrainingLoop, make_replay
from training.replay import Replay
from training.run import actor_settings_of
from training.settings import Settings, load_settings

MODES: Final = {"policy": "demo", "search": "cpu"}
"""The config of each mode."""


def positions_a_version(settings: Settings) -> float:
    """Positions that actors play from one version to the next while the learner keeps up."""
    learner = settings.learner
    return learner.publish_steps * learner.batch_size / learner.reuse


def drive(pool: WatchedPool, replay: Replay, settings: Settings, weights: Weights, seconds: float) -> Flow:
    """Collect games for `seconds` as the training loop does, learner left out."""
    learner, due = settings.learner, positions_a_version(settings)
    pool.begin()
    version, deadline = 0, perf_counter() + seconds
    while perf_counter() < deadline or not pool.flow.plies:
        for batch in pool.collect(wait=True):
            for record in batch.records:
                replay.add(record, targets_by(learner, record))
        if pool.flow.plies >= due * (version + 1):
            version += 1
            pool.publish(weights, version)
    return pool.flow


def learn(pool: WatchedPool, settings: Settings, seconds: float) -> tuple[Flow, int]:
    """The training loop for `seconds` and at least one step; what flowed and how many steps were made."""
    with tempfile.TemporaryDirectory() as folder:
        own = settings.model_copy(update={"run": settings.run.model_copy(update={"folder": folder})})
        loop = TrainingLoop(own, RunFolder.create(own, None), make_network(architecture_of(own.network)))
        pool.begin()
        deadline = perf_counter() + seconds
        try:
            loop.run(pool, stop=lambda: perf_counter() > deadline and loop.learner.step > 0, tick=lambda _: None)
        finally:
            loop.close()
        return pool.flow, loop.learner.step


def rate(played: Sequence[Played]) -> float:
    """Positions a second of processes side by side."""
    return sum(one.plies / one.seconds for one in played)


def measure(mode: str, settings: Settings, *, rounds: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Measure one mode; Ray must be initialised. Results and ratios as `run` returns them."""
    actors = actor_settings_of(settings)
    torch.set_num_threads(settings.learner.threads)
    network = make_network(actors.architecture)
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    plain = PlainProcesses(actors, settings.selfplay.actors, weights)
    inner = RayPool(actors, settings.selfplay.actors)
    try:
        inner.publish(weights, 0)
        pool, replay = WatchedPool(inner), make_replay(settings)
        drive(pool, replay, settings, weights, min(seconds, 1.0))
        alone, flows = [], []
        for _ in range(rounds):
            alone.append(rate(plain.play(seconds)))
            flows.append(drive(pool, replay, settings, weights, seconds))
        plain.play(min(seconds, 0.5))  # meanwhile the actors finish their calls
        learnt, steps = learn(pool, settings, seconds)
        calls = calls_per_second(min(seconds, 2.0))
    finally:
        plain.close()
        inner.close()
    return {
        "results": _results(mode, settings, alone, flows, weights)
        + _learnt(mode, settings, learnt, steps)
        + _taken_in(mode, settings, flows, calls),
        "ratios": [
            _ratio(f"{mode}: Ray actors / plain processes", [f.plies / f.seconds for f in flows], alone),
            _ratio(
                f"{mode}: Ray actors beside the learner / without", [learnt.plies / learnt.seconds], [_speed(flows)]
            ),
        ],
    }


def run(
    *,
    modes: Sequence[str] = tuple(MODES),
    rounds: int = 3,
    seconds: float = 5.0,
    overrides: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Measure self-play.

    Args:
        modes: of `MODES`.
        rounds: times that plain processes and actors play in turn.
        seconds: of one turn.
        overrides: of the config's settings, as `key=value`.
        progress: gets lines of text.

    Returns:
        {"results": [{name, value, unit}], "ratios": [{name, value, low, high}]}.

    Raises:
        InputError: an override is refused, or leaves no actor.
    """
    report = progress or (lambda _: None)
    # The learner's turn is too short to fill a config's replay first.
    chosen = {mode: load_settings(MODES[mode], ["replay.warmup=1024", *overrides]) for mode in modes}
    for settings in chosen.values():
        if settings.selfplay.actors == 0:
            raise InputError("selfplay.actors=0 leaves nothing to compare with plain processes; give at least 1")
    warm_up(report)
    found: dict[str, list[dict[str, Any]]] = {"results": [], "ratios": []}
    for mode, settings in chosen.items():
        report(f"{mode}: {settings.selfplay.actors} actors and as many plain processes in turn, {rounds} rounds ...")
        start_ray(settings, None)
        try:
            part = measure(mode, settings, rounds=rounds, seconds=seconds)
        finally:
            ray.shutdown()
        for key, rows in part.items():
            found[key] += rows
    return found


def _speed(flows: Sequence[Flow]) -> float:
    return statistics.median(flow.plies / flow.seconds for flow in flows)


def _results(
    mode: str, settings: Settings, alone: Sequence[float], flows: Sequence[Flow], weights: Weights
) -> list[dict[str, Any]]:
    median, speed = statistics.median, _speed(flows)
    last = flows[-1]
    bytes_a_game, bytes_a_position, packing = last.message()
    rows: list[tuple[str, float, str]] = [
        ("plain processes", median(alone), "positions/s"),
        ("Ray actors", speed, "positions/s"),
        ("Ray actors", median(flow.games / flow.seconds for flow in flows), "games/s"),
        *((f"share, {stage}", median(flow.shares()[stage] for flow in flows), "") for stage in last.stages),
        ("driver, share of waiting for games", median(flow.collecting / flow.seconds for flow in flows), ""),
        ("a game as sent", bytes_a_game, "bytes"),
        ("a position as sent", bytes_a_position, "bytes"),
        ("games sent", bytes_a_position * speed / 1e6, "MB/s"),
        ("packing a position", packing * 1e6, "us"),
        ("weights", float(sum(array.nbytes for array in weights.values())), "bytes"),
        ("versions", median(len(flow.putting) / flow.seconds for flow in flows), "1/s"),
    ]
    putting = [seconds for flow in flows for seconds in flow.putting]
    latencies = [seconds for flow in flows for seconds in flow.latencies]
    if latencies:
        rows += [
            ("publishing", 1e3 * median(putting), "ms"),
            ("publishing until an actor's games name the version", 1e3 * median(latencies), "ms"),
        ]
    return [{"name": f"{mode}: {name}", "value": value, "unit": unit} for name, value, unit in rows]


def _learnt(mode: str, settings: Settings, flow: Flow, steps: int) -> list[dict[str, Any]]:
    speed = flow.plies / flow.seconds
    rows = [
        ("beside the learner, Ray actors", speed, "positions/s"),
        ("beside the learner, trained", steps * settings.learner.batch_size / flow.seconds, "positions/s"),
        *((f"beside the learner, share, {stage}", share, "") for stage, share in flow.shares().items()),
    ]
    return [{"name": f"{mode}: {name}", "value": value, "unit": unit} for name, value, unit in rows]


def _taken_in(mode: str, settings: Settings, flows: Sequence[Flow], calls: float) -> list[dict[str, Any]]:
    """The constants of docs/scaling.md that are the trainer's."""
    taken = ingest([record for flow in flows for batch in flow.sample for record in batch.records], settings)
    rows = [
        ("trainer, games taken in", taken.positions_per_second, "positions/s"),
        ("a position on disk", taken.bytes_per_position, "bytes"),
        ("trainer, empty calls", calls, "1/s"),
    ]
    return [{"name": f"{mode}: {name}", "value": value, "unit": unit} for name, value, unit in rows]


def _ratio(name: str, ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    quotients = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {"name": name, "value": statistics.median(quotients), "low": min(quotients), "high": max(quotients)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one turn")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings beside the config's")
    chosen = parser.parse_args()
    found = run(
        modes=chosen.modes,
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        overrides=chosen.set,
        progress=lambda line: print(line, file=sys.stderr),
    )
    if chosen.json:
        print(json.dumps(found))
        return
    for result in found["results"]:
        print(f"{result['name']:72} {result['value']:>14,.4g} {result['unit']}")
    for ratio in found["ratios"]:
        print(f"{ratio['name']:72} {ratio['value']:>14.3f} times ({ratio['low']:.3f} to {ratio['high']:.3f})")


if __name__ == "__main__":
    main()
