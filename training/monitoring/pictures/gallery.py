"""Pictures, texts and histograms of a run, written beside its curves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from chess.pgn import StringExporter
from numpy.typing import NDArray

from agent import drawing
from agent.networks.network import Network
from selfplay.record import GameRecord
from training.durability.run_folder import to_pgn
from training.monitoring.figures import RecentGames
from training.monitoring.leak import policy_now
from training.monitoring.metrics import Metrics
from training.monitoring.pictures.calibration import picture_of_calibration
from training.monitoring.pictures.frame import SIZE
from training.monitoring.pictures.game import Policy, picture_of_record
from training.monitoring.pictures.heat_map import picture_of_heat
from training.monitoring.pictures.ladder import picture_of_ladder, read_ladder
from training.monitoring.pictures.openings import picture_of_openings
from training.monitoring.pictures.priors import picture_of_priors

_VALUES: Final = 20_000
"""Most values of a parameter that a histogram takes."""


class Gallery:
    """Draws a run's games and network.

    Args:
        folder: of the run.
        metrics: where pictures go.
        searched: whether the games are played with search.
    """

    def __init__(self, folder: Path, metrics: Metrics, *, searched: bool) -> None:
        self._folder = folder
        self._metrics = metrics
        self._searched = searched

    def write(self, step: int, games: RecentGames, network: Network, device: torch.device) -> None:
        """Write every picture, text and histogram at learner step `step`."""
        for tag, svg in self._pictures(games, network, device):
            self._metrics.picture(tag, drawing.to_png(svg, 1), SIZE, step)
        if games.samples:
            pgns = [to_pgn(record, self._folder.name).accept(StringExporter(columns=100)) for record in games.samples]
            text = "\n\n".join(f"```\n{pgn}\n```" for pgn in pgns)
            self._metrics.text("games/pgn", text, step)
        for name, parameter in network.named_parameters():
            self._metrics.histogram(f"weights/{name}", _some(parameter.detach()), step)
            if parameter.grad is not None:
                self._metrics.histogram(f"gradients/{name}", _some(parameter.grad), step)

    def _pictures(self, games: RecentGames, network: Network, device: torch.device) -> Iterator[tuple[str, str]]:
        """(tag, SVG) of each."""

        def policy(positions: NDArray[np.uint64]) -> NDArray[np.float32]:
            return policy_now(network, positions, device)

        for record in games.samples:
            yield "games/decisive" if record.outcome else "games/drawn", picture_of_record(record, policy)
        if games.games:
            chosen = np.exp(np.concatenate([game.log_probs for game in games.games]))
            probabilities = np.concatenate([_priors(record, policy) for record in games.samples])
            yield "games/openings", picture_of_openings(games.games)
            yield "games/heat_map", picture_of_heat(games.games)
            yield "games/calibration", picture_of_calibration(*games.values_and_scores(), len(games.games))
            yield "games/prior", picture_of_priors(probabilities, chosen, self._searched)
        if rungs := read_ladder(self._folder):
            yield "evaluation/ladder", picture_of_ladder({"": rungs})


def _priors(record: GameRecord, policy: Policy) -> NDArray[np.float32]:
    """[T] probability that today's network gives to the moves of a game."""
    found: NDArray[np.float32] = policy(record.positions)[np.arange(record.plies), record.moves]
    return found


def _some(values: torch.Tensor) -> NDArray[np.float32]:
    """At most `_VALUES` of them, at equal distances."""
    flat = values.flatten()
    return flat[:: max(1, -(-len(flat) // _VALUES))].float().cpu().numpy()
