"""Weights files judged on games that a run recorded: `zeromass benchmark weights`.

    zeromass train cpu run.name=games network.weights=FILE selfplay.simulations=400 learner.reuse=0
    zeromass train cpu run.name=new replay.games=games replay.capacity=5000000 run.minutes=60
    zeromass benchmark weights games=games files=FILE,OTHER

The games judged by are those that `replay.games` leaves out. Figures: cross-entropy of the value, divergence of the
policy from the one that the games' search improved, how often their best moves agree, evaluations a second on one core.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from rich.table import Table

from agent import rules
from agent.errors import InputError
from agent.networks.network import Network
from agent.networks.policy import MaskedPolicy
from agent.networks.registry import make_evaluator
from agent.networks.weights import load_weights
from agent.settings import PathText, Section
from benchmarks.measuring import Figures, Found, Progress, in_turn, rate, read_settings, split, table, threads
from benchmarks.search import midgames
from training.durability.run_folder import RunFolder
from training.durability.window import Window
from training.learner import Learner
from training.replay import ENTRIES_PER_PLY, Batch, ReplayBuffer
from training.settings import LearnerSettings

BATCH: Final = 1024
_LEAVES: Final = 512  # evaluated at once: few enough for the results to stay in the cache
_FIGURES: Final = ("value loss", "policy divergence", "best move")
_LEARNER: Final = LearnerSettings(value_lambda=0.9, device="cpu")


class WeightsSettings(Section):
    games: str  # the run that played
    files: Annotated[tuple[PathText, ...], BeforeValidator(split)]
    batches: int = Field(40, ge=1, le=10_000)  # of 1,024 positions


def judged_by(run: str, number: int, say: Progress = lambda line: None) -> list[Batch]:
    """Positions of games that no network learned from, always the same. Raises InputError where there are none."""
    folder = RunFolder.find(run).replay
    window = Window(ReplayBuffer(BATCH * number, entries_per_ply=ENTRIES_PER_PLY), folder)
    for _ in window.fill(folder, _LEARNER, say, held=True):
        if len(window.replay) == window.replay.capacity:
            break
    if not len(window.replay):
        raise InputError(f"run '{run}' holds too few games to judge by; let it play more, with learner.reuse=0")
    generator = np.random.default_rng(0)
    return [window.replay.sample(BATCH, generator) for _ in range(number)]


def evaluating(network: Network, seconds: float) -> Callable[[], float]:
    """Measures evaluations a second of positions like those of a search: logits of the legal moves and value."""
    evaluator, children = make_evaluator(network), midgames(256).successors()[0]
    positions = children[rules.count_moves(children) > 0][:_LEAVES]
    moves, counts = rules.legal_moves(positions)

    def evaluate() -> int:
        evaluator.evaluate_legal(positions, moves, counts)
        return _LEAVES

    evaluate()  # compiled code is loaded now
    return lambda: rate(evaluate, seconds)


@torch.inference_mode()
def best_moves(network: Network, packed: NDArray[np.uint64]) -> NDArray[np.int64]:
    """[B] the policy's most probable moves."""
    output = network.predict(packed)
    best = MaskedPolicy(output.logits, output.legal).probabilities.argmax(1, keepdim=True)
    return (best if output.indices is None else output.indices.gather(1, best)).flatten().numpy()


@torch.inference_mode()
def losses(network: Network, batches: Sequence[Batch]) -> NDArray[np.float64]:
    """Value cross-entropy, policy divergence, agreement on the best move [3, batches]."""
    learner, rows = Learner(network, _LEARNER, searched=True), []
    for batch in batches:
        parts, policies = learner._loss(batch, network.predict(batch.positions)).parts, batch.policies
        best = [policies.indices[a + policies.probabilities[a:b].argmax()] for a, b in pairwise(policies.offsets)]
        agreed = float((best_moves(network, batch.positions) == best).mean())
        rows.append((float(parts["loss/value"]), float(parts["policy/kl"]), agreed))
    return np.array(rows).T


def run(
    *, rounds: int = 3, seconds: float = 1.0, overrides: Sequence[str] = (), progress: Progress = lambda line: None
) -> Found:
    """Judge each file; the order of the games and of the files does not matter."""
    settings, figures = read_settings(WeightsSettings, "weights", overrides), Figures()
    paths = [Path(file) for file in settings.files]
    names = [path.name if [other.name for other in paths].count(path.name) == 1 else str(path) for path in paths]
    networks = {name: load_weights(path).network for name, path in zip(names, paths, strict=True)}
    batches = judged_by(settings.games, settings.batches, progress)
    for name, network in networks.items():
        progress(f"judging {name} ...")
        for what, values in zip(_FIGURES, losses(network, batches), strict=True):
            figures.add(name, what, [float(values.mean())], "" if what == "best move" else "nats")
    with threads(1):
        calls = {name: evaluating(network, seconds) for name, network in networks.items()}
        for name, speeds in in_turn(calls, rounds, progress).items():
            figures.add(name, "evaluations/s", speeds, "1/s")
    return figures.found


def show(found: Found) -> list[Table | str]:
    return [table(found, "Judged on games that were held out", "weights")]
