"""The golden set: a few real games, and how each network learns from them with each loss.

`tests/data/learning/games.gz` holds the games, as a run keeps them on disk; `curves.json` the losses that learning from
them gives.

    python -m tests.training.golden            # learn again and write curves.json, after a change meant to move them
    python -m tests.training.golden --games    # first play other games, with the bundled weights"""

import gzip
import json
import sys
from pathlib import Path
from typing import Final

import numpy as np
import torch

from agent.networks.bundled import BUNDLED
from agent.networks.contract import Architecture
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.weights import load_weights
from selfplay.generator import Generator
from selfplay.record import GameRecord
from selfplay.settings import SelfplaySettings
from tests.training.records import finished
from training.durability.replay_store import Damage, StoredGame, read_entries, to_entry
from training.learner import Learner
from training.replay import ReplayBuffer
from training.settings import LearnerSettings
from training.targets import Targets, targets

DATA: Final = Path(__file__).resolve().parent.parent / "data" / "learning"
GAMES_FILE: Final = DATA / "games.gz"
GAMES: Final = 16
STEPS: Final = 60
EVERY: Final = 10  # steps that each point of a curve is the mean of
NETWORKS: Final[dict[str, Architecture]] = {
    "residual": ResidualArchitecture(blocks=1, channels=16),
    "sparse": SparseArchitecture(width=64, hidden=32),
}
LOSSES: Final = ("actor_critic", "improved_policy")
PARTS: Final = ("loss/total", "loss/policy", "loss/value")


def play() -> list[GameRecord]:
    """The first `GAMES` games of the bundled weights to end, played with a small search, by seed."""
    settings = SelfplaySettings(games=GAMES, ply_cap=100, simulations=16, max_considered_actions=8)
    generator = Generator(make_evaluator(load_weights(BUNDLED).network), settings, seed=11, stream=0)
    return finished(generator, GAMES)[:GAMES]


def stored(records: list[GameRecord]) -> bytes:
    """The file of the games."""
    games = (StoredGame(number, 0, record, targets_of(record)) for number, record in enumerate(records))
    return gzip.compress(b"".join(map(to_entry, games)), mtime=0)


def load() -> list[GameRecord]:
    """The games as stored."""
    found = read_entries(gzip.decompress(GAMES_FILE.read_bytes()))
    return [entry[1].record for entry in found if not isinstance(entry, Damage)]


def targets_of(record: GameRecord) -> Targets:
    """What is learned of a game."""
    return targets(record, adjudication=0.25, value_lambda=0.9)


def learn(network: str, loss: str, records: list[GameRecord]) -> tuple[Learner, dict[str, list[float]]]:
    """The learner after `STEPS` steps on the games with one seed, and the curve of each of `PARTS`."""
    searched = loss == "improved_policy"
    torch.manual_seed(5)
    settings = LearnerSettings(device="cpu", batch_size=64, learning_rate=1e-2, final_learning_rate=1e-3)
    learner = Learner(make_network(NETWORKS[network]), settings, searched=searched)
    replay = ReplayBuffer(4096, entries_per_ply=64)
    for record in records:
        replay.add(record, targets_of(record))
    generator = np.random.default_rng(5)
    curves: dict[str, list[float]] = {part: [] for part in PARTS}
    for step in range(1, STEPS + 1):
        learner.train(replay.sample(settings.batch_size, generator), progress=step / STEPS)
        if step % EVERY == 0:
            means = learner.means.take()
            for part, curve in curves.items():
                curve.append(round(means[part], 5))
    return learner, curves


def _main() -> None:
    torch.set_num_threads(1)
    if "--games" in sys.argv[1:]:
        GAMES_FILE.write_bytes(stored(play()))
    records = load()
    curves = {f"{network} {loss}": learn(network, loss, records)[1] for network in NETWORKS for loss in LOSSES}
    (DATA / "curves.json").write_text(json.dumps(curves, indent=1) + "\n")
    for name, parts in curves.items():
        print(name, *(f"{part} {curve[0]:.4f} -> {curve[-1]:.4f}" for part, curve in parts.items()))


if __name__ == "__main__":
    _main()
