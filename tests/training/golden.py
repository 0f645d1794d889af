"""The golden set: a few real games, and how each network learns from them with each loss.

`tests/data/learning/games.npz` holds the games, `curves.json` the losses that learning from them gives.

    python -m tests.training.golden            # learn again and write curves.json, after a change meant to move them
    python -m tests.training.golden --games    # first play other games, with the bundled weights
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent import rules
from agent.networks.bundled import BUNDLED
from agent.networks.contract import Architecture
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.weights import load_weights
from agent.rules import Termination
from selfplay.generator import Generator
from selfplay.record import GameRecord, RaggedPolicy
from selfplay.settings import SelfplaySettings
from tests.training.records import finished
from training.learner import Learner
from training.replay import ReplayBuffer
from training.settings import LearnerSettings
from training.targets import targets

DATA: Final = Path(__file__).resolve().parent.parent / "data" / "learning"
GAMES: Final = 16
STEPS: Final = 60
EVERY: Final = 10  # steps that each point of a curve is the mean of
NETWORKS: Final[dict[str, Architecture]] = {
    "residual": ResidualArchitecture(blocks=1, channels=16),
    "sparse": SparseArchitecture(width=64, hidden=32),
}
LOSSES: Final = ("actor_critic", "improved_policy")
PARTS: Final = ("loss/total", "loss/policy", "loss/value")
_COLUMNS: Final = ("positions", "moves", "log_probs", "values", "versions")
_POLICIES: Final = ("indices", "probabilities")


def play() -> list[GameRecord]:
    """The first `GAMES` games of the bundled weights to end, played with a small search, by seed."""
    settings = SelfplaySettings(games=GAMES, ply_cap=100, simulations=16, max_considered_actions=8)
    generator = Generator(make_evaluator(load_weights(BUNDLED).network), settings, seed=11, stream=0)
    return finished(generator, GAMES)[:GAMES]


def to_arrays(records: list[GameRecord]) -> dict[str, NDArray[Any]]:
    """All games in a row: columns of plies, their policies' entries, openings, and one row of numbers a game."""
    arrays = {name: np.concatenate([getattr(record, name) for record in records]) for name in _COLUMNS}
    arrays |= {name: np.concatenate([getattr(record.policies, name) for record in records]) for name in _POLICIES}
    arrays["counts"] = np.concatenate([np.diff(record.policies.offsets) for record in records]).astype(np.uint8)
    arrays["opening"] = np.concatenate([record.opening for record in records])
    rows = [(r.plies, len(r.opening), r.seed, r.version, r.outcome, int(r.termination), r.balance) for r in records]
    arrays["games"] = np.array(rows, np.int64)
    arrays["ids"] = np.frombuffer(bytes.fromhex("".join(record.game for record in records)), np.uint8).reshape(-1, 16)
    return arrays


def load() -> list[GameRecord]:
    """The games as stored."""
    with np.load(DATA / "games.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    records = []
    ply = entry = opened = 0
    for row, name in zip(arrays["games"].tolist(), arrays["ids"], strict=True):
        plies, opening, seed, version, outcome, termination, balance = row
        rows = slice(ply, ply + plies)
        offsets = np.zeros(plies + 1, np.int64)
        np.cumsum(arrays["counts"][rows], out=offsets[1:])
        entries = slice(entry, entry + int(offsets[-1]))
        records.append(
            GameRecord(
                game=name.tobytes().hex(),
                seed=seed,
                version=version,
                start=rules.start(1)[0],
                opening=arrays["opening"][opened : opened + opening],
                policies=RaggedPolicy(offsets, *(arrays[column][entries] for column in _POLICIES)),
                outcome=outcome,
                termination=Termination(termination),
                balance=balance,
                **{column: arrays[column][rows] for column in _COLUMNS},
            )
        )
        ply, entry, opened = rows.stop, entries.stop, opened + opening
    return records


def learn(network: str, loss: str, records: list[GameRecord]) -> tuple[Learner, dict[str, list[float]]]:
    """Learn from the games for `STEPS` steps with one seed.

    Returns:
        The learner, and the curve of each of `PARTS`.
    """
    searched = loss == "improved_policy"
    torch.manual_seed(5)
    settings = LearnerSettings(device="cpu", batch_size=64, learning_rate=1e-2, final_learning_rate=1e-3)
    learner = Learner(make_network(NETWORKS[network]), settings, searched=searched)
    replay = ReplayBuffer(4096, entries_per_ply=64)
    for record in records:
        replay.add(record, targets(record, adjudication=0.25, value_lambda=0.9))
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
    DATA.mkdir(parents=True, exist_ok=True)
    if "--games" in sys.argv[1:]:
        np.savez_compressed(DATA / "games.npz", **to_arrays(play()))  # type: ignore[arg-type]
    records = load()
    curves = {f"{network} {loss}": learn(network, loss, records)[1] for network in NETWORKS for loss in LOSSES}
    (DATA / "curves.json").write_text(json.dumps(curves, indent=1) + "\n")
    for name, parts in curves.items():
        print(name, *(f"{part} {curve[0]:.4f} -> {curve[-1]:.4f}" for part, curve in parts.items()))


if __name__ == "__main__":
    _main()
