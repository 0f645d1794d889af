"""Unfinished games as arrays, so that a generator that is restored goes on with them, move for move.

Positions and history are not saved but come from playing the moves again.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from selfplay.generator import GameInProgress, Generator
from selfplay.record import RaggedPolicy
from selfplay.starts import Start

Arrays = Mapping[str, NDArray[Any]]
_COLUMNS: Final = {
    "moves": np.uint16,
    "log_probs": np.float64,
    "values": np.float64,
    "versions": np.int64,
}
"""Of a game in progress, one entry a ply; wide enough to give back what they were made of."""


def generator_state(generator: Generator) -> dict[str, NDArray[Any]]:
    """Everything that a generator of the same settings, seed and stream needs to go on, its weights left out."""
    arrays: dict[str, NDArray[Any]] = {"started": np.array([generator.started, generator.version], np.int64)}
    for row, game in enumerate(generator.progress):
        policies = RaggedPolicy.joined(game.policies)
        arrays |= {
            f"{row}.facts": np.array([game.number, game.seed], np.int64),
            f"{row}.start": game.start.position,
            f"{row}.opening": np.array(game.start.moves, np.uint16),
            f"{row}.offsets": policies.offsets,
            f"{row}.indices": policies.indices,
            f"{row}.probabilities": policies.probabilities,
            **{f"{row}.{name}": np.array(getattr(game, name), dtype) for name, dtype in _COLUMNS.items()},
        }
    return arrays


def restore_generator(generator: Generator, arrays: Arrays) -> None:
    """Take over a saved state.

    Raises:
        ValueError: it is of a generator with another number of games.
    """
    rows = len(generator.progress)
    if f"{rows - 1}.facts" not in arrays or f"{rows}.facts" in arrays:
        raise ValueError(f"the saved games are not {rows}")
    generator.started, generator.version = (int(value) for value in arrays["started"])
    for row in range(rows):
        generator.progress[row] = _restore(generator, row, arrays)


def _restore(generator: Generator, row: int, arrays: Arrays) -> GameInProgress:
    number, seed = (int(value) for value in arrays[f"{row}.facts"])
    start = Start(np.array(arrays[f"{row}.start"]), arrays[f"{row}.opening"].tolist())
    game = GameInProgress(number, seed, start)
    for name in _COLUMNS:
        setattr(game, name, arrays[f"{row}.{name}"].tolist())
    policies = RaggedPolicy(*(np.array(arrays[f"{row}.{name}"]) for name in ("offsets", "indices", "probabilities")))
    game.policies = [policies.plies(ply, ply + 1) for ply in range(len(policies))]
    game.positions = generator.replay(row, start, game.moves)
    return game
