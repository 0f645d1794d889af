"""Pictures, texts and histograms: what is drawn of a run now and then, and written beside its curves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from chess.pgn import StringExporter
from numpy.typing import NDArray

from agent import drawing
from agent.networks.registry import AnyNetwork
from selfplay.record import GameRecord
from training.durability.run_folder import to_pgn
from training.monitoring.events import Events
from training.monitoring.leak import policy_now
from training.monitoring.pictures import calibration_plot, game, heat_map, openings, priors
from training.monitoring.pictures.recent_games import RecentGames
from training.monitoring.report import ladder_plot, ladder_table

_VALUES: Final = 20_000
"""Of a parameter that a histogram looks at."""


class Album:
    """Draws a run's games and network.

    Args:
        folder: of the run.
        events: where pictures go.
        searched: whether the games are played with search.
    """

    def __init__(self, folder: Path, events: Events, *, searched: bool) -> None:
        self._folder = folder
        self._events = events
        self._searched = searched

    def write(self, step: int, games: RecentGames, network: AnyNetwork, device: torch.device) -> None:
        """Everything there is to show at learner step `step`."""
        for tag, svg, size in self._pictures(games, network, device):
            self._events.picture(tag, drawing.to_png(svg, 1), size, step)
        if games.samples:
            pgns = [to_pgn(record, self._folder.name).accept(StringExporter(columns=100)) for record in games.samples]
            text = "\n\n".join(f"```\n{pgn}\n```" for pgn in pgns)
            self._events.text("games/pgn", text, step)
        for name, parameter in network.named_parameters():
            self._events.histogram(f"weights/{name}", _some(parameter.detach()), step)
            if parameter.grad is not None:
                self._events.histogram(f"gradients/{name}", _some(parameter.grad), step)

    def _pictures(
        self, games: RecentGames, network: AnyNetwork, device: torch.device
    ) -> Iterator[tuple[str, str, tuple[int, int]]]:
        """(tag, SVG, size) of each."""

        def policy(positions: NDArray[np.uint64]) -> NDArray[np.float32]:
            return policy_now(network, positions, device)

        for record in games.samples:
            tag = "games/decisive" if record.outcome else "games/drawn"
            yield tag, game.picture_of_record(record, policy), game.SIZE
        if games.glimpses:
            values, scores = games.values_and_scores()
            calibrated = calibration_plot.picture_of_calibration(values, scores, len(games.glimpses))
            chosen = np.exp(np.concatenate([glimpse.log_probs for glimpse in games.glimpses]))
            probabilities = np.concatenate([_priors(record, policy) for record in games.samples])
            yield "games/openings", openings.picture_of_openings(games.glimpses), openings.SIZE
            yield "games/heat_map", heat_map.picture_of_heat(games.glimpses), heat_map.SIZE
            yield "games/calibration", calibrated, calibration_plot.SIZE
            yield "games/prior", priors.picture_of_priors(probabilities, chosen, self._searched), priors.SIZE
        rungs = ladder_table.read_ladder(self._folder)
        if rungs:
            yield "evaluation/ladder", ladder_plot.picture_of_ladder({"": rungs}), ladder_plot.SIZE


def _priors(record: GameRecord, policy: game.Policy) -> NDArray[np.float32]:
    """[T] what today's network gives to the moves of a game."""
    found: NDArray[np.float32] = policy(record.positions)[np.arange(record.plies), record.moves]
    return found


def _some(values: torch.Tensor) -> NDArray[np.float32]:
    """At most `_VALUES` of them, evenly spread."""
    flat = values.flatten()
    return flat[:: max(1, -(-len(flat) // _VALUES))].float().cpu().numpy()
