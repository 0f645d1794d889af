"""Where the moves of a saved game come from: PGN headers and comments from which it can be replayed."""

import re
from dataclasses import dataclass
from typing import Final

import chess
import chess.pgn

THINKER: Final = "thinker"
"""Search as `zeromass play` and `zeromass uci` do it: stops at proven mates."""
GUMBEL: Final = "gumbel"
"""Search as matches do it: `GumbelSearch`, all simulations."""
OPENING: Final = "OpeningPlies"
"""Header: how many moves from the start nobody chose."""
_NOTE: Final = re.compile(r"\b(?:score ([+-][0-9.]+), )?([0-9]+) simulations\b")


@dataclass(frozen=True)
class Source:
    """What made one side's moves."""

    weights: str
    """`opponent.identity` of the weights."""
    search: str = THINKER
    simulations: int | None = None
    """Of every move; None: they stand with each move."""
    temperature: float = 0.0
    seed: int = 0


def write_source(game: chess.pgn.Game, color: chess.Color, source: Source) -> None:
    """Add the headers of one side."""
    side = chess.COLOR_NAMES[color].capitalize()
    game.headers[f"{side}Weights"] = source.weights
    game.headers[f"{side}Search"] = source.search
    if source.simulations is not None:
        game.headers[f"{side}Simulations"] = str(source.simulations)
    game.headers[f"{side}Temperature"] = f"{source.temperature:g}"
    game.headers[f"{side}Seed"] = str(source.seed)


def read_source(game: chess.pgn.Game, color: chess.Color) -> Source | None:
    """What `write_source` wrote; None where the side has no such headers, or they are not whole."""
    side, headers = chess.COLOR_NAMES[color].capitalize(), game.headers
    weights = headers.get(f"{side}Weights")
    if not weights:
        return None
    try:
        simulations = headers.get(f"{side}Simulations")
        return Source(
            weights,
            headers.get(f"{side}Search", THINKER),
            None if simulations is None else int(simulations),
            float(headers.get(f"{side}Temperature", "0")),
            int(headers.get(f"{side}Seed", "0")),
        )
    except ValueError:
        return None


def note(score: float | None, simulations: int) -> str:
    """A move's comment: its expected score for the mover, and the simulations it was given."""
    return f"{simulations} simulations" if score is None else f"score {score:+.3f}, {simulations} simulations"


def simulations_of(comment: str) -> int | None:
    """The simulations that a comment by `note` names."""
    match = _NOTE.search(comment)
    return int(match[2]) if match else None
