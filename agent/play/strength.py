"""Playing at a given Elo: simulations, noise and blunder rate. Light: no NumPy. What a rating means was measured:
`python -m benchmarks.levels` plays the rungs of a ladder against each other and against engines of known rating, and
writes `agent/data/levels.json`, the only place that holds the figures. Between two rungs values are interpolated."""

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any, Final, NamedTuple

import chess

LEVELS: Final = Path(__file__).parent.parent / "data" / "levels.json"
"""The ladder as measured: date, weights, rungs from the weakest to the strongest."""


class Strength(NamedTuple):
    """How a weakened agent plays."""

    simulations: int  # the most for a move
    temperature: float = 0.0  # Gumbel noise at the root: 0 always plays the best move found
    blunder_rate: float = 0.0  # share of moves that are random legal moves: they make a beginner of any weights
    planned: int = 0  # simulations that were begun with, where a limit stopped the search before; else 0
    nodes: int = 0  # of principal-variation search, in place of simulations


class Rung(NamedTuple):
    """A strength that was measured."""

    elo: float
    strength: Strength


def read_rungs(table: dict[str, Any]) -> list[Rung]:
    """The rungs of a table as `benchmarks.levels` writes it, ratings rising."""
    return [
        Rung(row["elo"], Strength(row["simulations"], row["temperature"], row["blunder_rate"]))
        for row in table["rungs"]
    ]


_RUNGS: Final = read_rungs(json.loads(LEVELS.read_text()))
WEAKEST: Final = max(math.ceil(_RUNGS[0].elo / 50) * 50, 100)
STRONGEST: Final = math.floor(_RUNGS[-1].elo / 50) * 50
"""The range of ratings to ask for: multiples of 50 within what was measured, and not below 100."""


def strength_of(elo: int, rungs: list[Rung] = _RUNGS) -> Strength:
    """What UCI_Elo `elo` means, clamped to the rungs. Simulations are interpolated on a log scale, the rest linearly. A
    rating holds for the weights that were measured and against Stockfish's scale; see docs/play.md."""
    elo_held = min(max(float(elo), rungs[0].elo), rungs[-1].elo)
    lower, upper = next(pair for pair in itertools.pairwise(rungs) if elo_held <= pair[1].elo)
    share = (elo_held - lower.elo) / (upper.elo - lower.elo)
    one, other = lower.strength, upper.strength
    return Strength(
        round(math.exp((1 - share) * math.log(one.simulations) + share * math.log(other.simulations))),
        round((1 - share) * one.temperature + share * other.temperature, 3),
        round((1 - share) * one.blunder_rate + share * other.blunder_rate, 3),
    )


def blunder(board: chess.Board, rate: float, seed: int) -> chess.Move | None:
    """With probability `rate` a random legal move, else None; fixed by the seed and the position."""
    if rate <= 0:
        return None
    chance = random.Random(f"{seed} {board.ply()} {board.fen()}")
    moves = sorted(board.legal_moves, key=chess.Move.uci)
    return chance.choice(moves) if chance.random() < rate else None
