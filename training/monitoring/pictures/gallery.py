"""Pictures, texts and histograms of a run, written beside its curves."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from chess.pgn import StringExporter
from numpy.typing import NDArray

from agent import drawing
from agent.networks.network import Network
from training.durability.run_folder import to_pgn
from training.monitoring.figures import RecentGames, policy_now
from training.monitoring.metrics import Metrics
from training.monitoring.pictures.calibration import picture_of_calibration
from training.monitoring.pictures.frame import SIZE
from training.monitoring.pictures.game import picture_of_record
from training.monitoring.pictures.heat_map import picture_of_heat
from training.monitoring.pictures.ladder import picture_of_ladder, read_standings
from training.monitoring.pictures.openings import picture_of_openings

_VALUES: Final = 20_000
"""Most values of a parameter that a histogram takes."""


def write_pictures(metrics: Metrics, step: int, games: RecentGames, network: Network) -> None:
    """Write every picture, text and histogram of a run at learner step `step`."""
    folder = metrics.folder.path
    for tag, svg in _pictures(folder, games, network):
        metrics.picture(tag, drawing.to_png(svg, 1), SIZE, step)
    if games.samples:
        pgns = [to_pgn(record, folder.name).accept(StringExporter(columns=100)) for record in games.samples]
        metrics.text("games/pgn", "\n\n".join(f"```\n{pgn}\n```" for pgn in pgns), step)
    for name, parameter in network.named_parameters():
        metrics.histogram(f"weights/{name}", _some(parameter.detach()), step)
        if parameter.grad is not None:
            metrics.histogram(f"gradients/{name}", _some(parameter.grad), step)


def _pictures(folder: Path, games: RecentGames, network: Network) -> Iterator[tuple[str, str]]:
    """(tag, SVG) of each."""
    for record in games.samples:
        picture = picture_of_record(record, partial(policy_now, network))
        yield "games/decisive" if record.outcome else "games/drawn", picture
    if games.games:
        yield "games/openings", picture_of_openings(games.games)
        yield "games/heat_map", picture_of_heat(games.games)
        yield "games/calibration", picture_of_calibration(*games.values_and_scores(), len(games.games))
    if standings := read_standings(folder):
        yield "evaluation/ladder", picture_of_ladder({"": standings})


def _some(values: torch.Tensor) -> NDArray[np.float32]:
    """At most `_VALUES` of them, at equal distances."""
    flat = values.flatten()
    return flat[:: max(1, -(-len(flat) // _VALUES))].float().cpu().numpy()
