"""A match that ends as soon as a sequential test is decided."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.players.player import Player
from training.evaluation.match import MatchResult, play_games, result_of
from training.evaluation.match_runner import MatchInterrupt, Recorder
from training.evaluation.sprt import Sprt, pairs_of

PART: Final = 8
"""Games between two looks at the test, unless more are thought about side by side."""


@dataclass(frozen=True)
class SequentialResult:
    """The match as far as it went, and what it settled."""

    match: MatchResult
    sprt: Sprt
    pairs: NDArray[np.int64]
    """[5]: pairs of games by score, 0, 1/4, 1/2, 3/4, 1."""

    def to_json(self) -> dict[str, Any]:
        """The keys of a match, and the test's under `sprt`."""
        return {**self.match.to_json(), "sprt": self.sprt.to_json(self.pairs)}


def play_sequential_match(
    player: Player,
    opponent: Player,
    *,
    sprt: Sprt,
    games: int,
    seed: int,
    side_by_side: int = 1,
    opening_plies: int | None = None,
    ply_cap: int = 300,
    progress: Callable[[int], None] | None = None,
    record: Recorder | None = None,
) -> SequentialResult:
    """Play pairs of games in parts until `sprt` is decided; see `play_games` for what is not told here.

    Args:
        player: whose score is counted.
        opponent: the other.
        sprt: the test.
        games: at most; an odd one is left out.
        seed: of the openings.
        side_by_side: games thought about at once; a part is no smaller than keeps them busy.
        opening_plies: random plies; None: the book.
        ply_cap: a game this long is a draw.
        progress: called with the number of games that just ended.
        record: called with the moves; row 0 is the match's first game.

    Raises:
        MatchInterrupt: Ctrl-C, where games are played at tables; holds those of earlier parts too.
    """
    points, illegal_moves = np.zeros(0, np.int8), 0
    games -= games % 2
    while len(points) < games and sprt.verdict(pairs_of(points)) == "undecided":
        first = len(points)
        try:
            part = play_games(
                player,
                opponent,
                games=min(max(PART, 2 * side_by_side), games - first),
                seed=seed,
                first=first,
                opening_plies=opening_plies,
                ply_cap=ply_cap,
                progress=progress,
                record=None if record is None else _after(record, first),
            )
        except MatchInterrupt as last:
            numbers = np.concatenate([np.arange(first), first + last.games])
            both = np.concatenate([points, last.points])
            raise MatchInterrupt(numbers, both, illegal_moves + last.illegal_moves) from last
        points = np.concatenate([points, part.points])
        illegal_moves += part.illegal_moves
    return SequentialResult(result_of(opponent.name, points, illegal_moves), sprt, pairs_of(points))


def _after(record: Recorder, first: int) -> Recorder:
    return lambda rows, moves: record(rows + first, moves)
