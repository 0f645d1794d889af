"""Whether won endings are won: queen, rook or two bishops with the king against a bare king.

Where being ahead counts as nearly won an agent may stop mating: scores against weak players hide it, this does not. The
agent begins, as White, from random legal positions; what counts is a mate within 50 moves of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import chess
import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.players.player import Choice, Player, RandomPlayer, best_in_segments
from agent.rules import Games, Termination
from agent.rules.record import KINGS, OWN

ENDINGS: Final[Mapping[str, tuple[chess.PieceType, ...]]] = {
    "kq": (chess.QUEEN,),
    "kr": (chess.ROOK,),
    "kbb": (chess.BISHOP, chess.BISHOP),
}
"""The stronger side's pieces beside its king, by the ending's name; bishops stand on squares of both colours."""
DEFENDERS: Final = ("king", "random")
"""`king` takes what it can and heads for the centre; `random` does anything."""
MOVES: Final = 50
"""The agent's, within which it must mate."""


class KingPlayer:
    """A bare king that defends sensibly: takes a piece if it can, else stays near the centre.

    Args:
        seed: of the choice among equals.
    """

    name = "king"

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        successors, moves, offsets = games.successors()
        # A successor is seen by the attacker: its material counts against us, our king is the one it does not own.
        worth = -16.0 * rules.material(successors) - _from_centre(successors[:, KINGS] & ~successors[:, OWN])
        worth += 0.5 * self._generator.random(len(worth))
        return Choice(moves[best_in_segments(worth, offsets)], np.full(len(offsets) - 1, np.nan, np.float32))


@dataclass(frozen=True)
class Conversion:
    """How one ending went against one defender."""

    ending: str
    defender: str
    games: int
    mated: int
    moves: float | None
    """Mean moves of the agent until mate, over the games that it won; None: there are none."""

    @property
    def share(self) -> float:
        """Mated, 0..1."""
        return self.mated / self.games if self.games else 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "share": self.share}


def conversions(
    player: Player,
    *,
    games: int,
    seed: int,
    endings: Sequence[str] = tuple(ENDINGS),
    defenders: Sequence[str] = DEFENDERS,
) -> list[Conversion]:
    """Play `games` of each ending against each defender, all from the same starts."""
    found = []
    for ending in endings:
        starts = random_starts(ending, games, seed)
        for defender in defenders:
            king = KingPlayer(seed) if defender == "king" else RandomPlayer(seed)
            found.append(convert(player, king, starts, ending))
    return found


def convert(player: Player, defender: Player, starts: NDArray[np.uint64], ending: str) -> Conversion:
    """Play `starts` uint64 [B, WORDS], the player to move in each, until mate, a draw by rule, or MOVES moves."""
    games = Games(len(starts))
    games.reset(positions=starts)
    moves = np.zeros(len(starts), np.int64)
    active = np.arange(len(starts))
    for move in range(1, MOVES + 1):
        games.play(player.choose(games.take(active)).moves, active)
        ended = games.outcome(claim_draws=True)[active]
        moves[active[ended == Termination.CHECKMATE]] = move
        active = active[ended == Termination.NONE]
        if not len(active):
            break
        games.play(defender.choose(games.take(active)).moves, active)
        active = active[games.outcome(claim_draws=True)[active] == Termination.NONE]
        if not len(active):
            break
    won = moves[moves > 0]
    return Conversion(ending, defender.name, len(starts), len(won), float(won.mean()) if len(won) else None)


def random_starts(ending: str, count: int, seed: int) -> NDArray[np.uint64]:
    """`count` random legal positions of `ending`, White to move, packed uint64 [count, WORDS]; no game is over."""
    pieces = ENDINGS[ending]
    generator = np.random.default_rng([seed, list(ENDINGS).index(ending)])
    starts: list[NDArray[np.uint64]] = []
    while len(starts) < count:
        squares = generator.choice(64, 2 + len(pieces), replace=False).tolist()
        board = chess.Board(None)
        placed = [chess.Piece(kind, chess.WHITE) for kind in (chess.KING, *pieces)] + [
            chess.Piece(chess.KING, chess.BLACK)
        ]
        for square, piece in zip(squares, placed, strict=True):
            board.set_piece_at(square, piece)
        # Two bishops on squares of one colour are insufficient material, so the game is over.
        if board.is_valid() and not board.is_game_over():
            starts.append(rules.from_board(board))
    return np.stack(starts) if starts else np.zeros((0, rules.WORDS), np.uint64)


def shares(found: Sequence[Conversion]) -> dict[str, float]:
    """Share mated by ending, against the king that defends."""
    return {one.ending: one.share for one in found if one.defender == "king"}


def _from_centre(kings: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Steps along ranks and files to the four squares in the middle, float64 [B], of one king [B] each: 0..6."""
    squares = np.log2(kings.astype(np.float64)).astype(np.int64)  # powers of two are exact
    file, rank = squares % 8, squares // 8
    steps: NDArray[np.float64] = np.abs(file - 3.5) + np.abs(rank - 3.5) - 1
    return steps
