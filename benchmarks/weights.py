"""`zeromass benchmark weights`: weights files judged on games that a run recorded and `replay.games` leaves out, see
docs/learning.md: cross-entropy of the value, divergence of the policy from the games', evaluations a second a core."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from rich.table import Table

from agent import rules
from agent.errors import InputError
from agent.files import save
from agent.networks.bundled import identity
from agent.networks.network import Network
from agent.networks.registry import make_evaluator
from agent.networks.weights import load_weights, to_bytes
from agent.settings import PathText, Section
from benchmarks.measuring import Figures, Found, Progress, in_turn, rate, read_settings, split, table, threads
from benchmarks.search import midgames
from training.durability.run_folder import RunFolder
from training.durability.window import Window
from training.learner import Learner
from training.replay import ENTRIES_PER_PLY, Batch, ReplayBuffer
from training.settings import LearnerSettings

BATCH: Final = 1024
_FIGURES: Final = ("value loss", "policy divergence")
_LEARNER: Final = LearnerSettings(value_lambda=0.9, device="cpu")


class WeightsSettings(Section):
    games: str  # the run that played
    files: Annotated[tuple[PathText, ...], BeforeValidator(split)]
    mean: PathText = Field("", description="Where to write the mean of the files, which is then judged too.")
    value_cut: float = Field(0, ge=0, le=1)  # as they were learned from: see learner.value_cut
    batches: int = Field(40, ge=1, le=10_000)  # of 1,024 positions


def judged_by(run: str, number: int, say: Progress = lambda line: None, value_cut: float = 0) -> list[Batch]:
    """Positions of games that no network learned from, always the same. Raises InputError where there are none."""
    folder = RunFolder.find(run).replay
    window = Window(ReplayBuffer(BATCH * number, entries_per_ply=ENTRIES_PER_PLY), folder)
    for _ in window.fill(folder, _LEARNER.model_copy(update={"value_cut": value_cut}), say, held=True):
        if len(window.replay) == window.replay.capacity:
            break
    if not len(window.replay):
        raise InputError(f"run '{run}' holds too few games to judge by; let it play more, with learner.reuse=0")
    generator = np.random.default_rng(0)
    return [window.replay.sample(BATCH, generator) for _ in range(number)]


def evaluating(network: Network, seconds: float) -> Callable[[], float]:
    """Measures evaluations a second of positions like those of a search: logits of the legal moves and value."""
    evaluator, children = make_evaluator(network), midgames(256).successors()[0]
    positions = children[rules.count_moves(children) > 0][:512]  # few enough for the results to stay in the cache
    moves, counts = rules.legal_moves(positions)

    def evaluate() -> int:
        return len(evaluator.evaluate_legal(positions, moves, counts).values)

    evaluate()  # compiled code is loaded now
    return lambda: rate(evaluate, seconds)


def mean_of(networks: Sequence[Network]) -> Network:
    """The network whose weights are the means of theirs: better than each where all learned from one network's weights
    (Wortsman et al. 2022, arXiv 2203.05482). An InputError for networks of several shapes."""
    shapes = {network.architecture for network in networks}
    if len(shapes) > 1:
        raise InputError(f"only weights of one shape have a mean, not {' and '.join(sorted(map(str, shapes)))}")
    mean, states = copy.deepcopy(networks[0]), [network.state_dict() for network in networks]
    mean.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    return mean


@torch.inference_mode()
def losses(network: Network, batches: Sequence[Batch]) -> NDArray[np.float64]:
    """Value cross-entropy, policy divergence [2, batches]."""
    learner, rows = Learner(network, _LEARNER, searched=True), []
    for batch in batches:
        parts = learner._loss(batch, network.predict(batch.positions)).parts
        rows.append((float(parts["loss/value"]), float(parts["policy/kl"])))
    return np.array(rows).T


def run(
    *, rounds: int = 3, seconds: float = 1.0, overrides: Sequence[str] = (), progress: Progress = lambda line: None
) -> Found:
    """Judge each file; the order of the games and of the files does not matter."""
    settings, figures = read_settings(WeightsSettings, "weights", overrides), Figures()
    paths = [Path(file) for file in settings.files]
    names = [path.name if [other.name for other in paths].count(path.name) == 1 else str(path) for path in paths]
    loaded = {name: load_weights(path) for name, path in zip(names, paths, strict=True)}
    networks = {name: weights.network for name, weights in loaded.items()}
    if settings.mean:
        mean = networks["their mean"] = mean_of(list(networks.values()))
        save(Path(settings.mean), to_bytes(mean, {"mean_of": ", ".join(map(identity, loaded.values()))}, np.float16))
    batches = judged_by(settings.games, settings.batches, progress, settings.value_cut)
    for name, network in networks.items():
        progress(f"judging {name} ...")
        for what, values in zip(_FIGURES, losses(network, batches), strict=True):
            figures.add(name, what, [float(values.mean())], "nats")
    with threads(1):
        calls = {name: evaluating(network, seconds) for name, network in networks.items()}
        for name, speeds in in_turn(calls, rounds, progress).items():
            figures.add(name, "evaluations/s", speeds, "1/s")
    return figures.found


def show(found: Found) -> list[Table | str]:
    return [table(found, "Judged on games that were held out", "weights")]
