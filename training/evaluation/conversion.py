"""Conversion: whether won endings are won. King with queen, rook or two bishops against a bare king. A value network
that rates any large advantage as won gives no reason to mate. Scores against weak players hide this; these endings show
it. The agent has White in random legal positions and must mate within 50 moves."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import chess
import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.players.player import Choice, Player, RandomPlayer, best_in_segments
from agent.rules import Games
from agent.rules.layout import KINGS, OWN
from training.evaluation.match_runner import NO_HOOKS, Hooks, run_games

ENDINGS: Final[Mapping[str, tuple[chess.PieceType, ...]]] = {
    "kq": (chess.QUEEN,),
    "kr": (chess.ROOK,),
    "kbb": (chess.BISHOP, chess.BISHOP),
}
"""White's pieces besides the king, by the ending's name; the bishops stand on squares of both colours."""
DEFENDERS: Final = ("king", "random")  # `king` captures if it can and heads for the centre; `random` plays any move
MOVES: Final = 50  # of the agent, within which it must mate


class KingPlayer(RandomPlayer):
    """A defending bare king: captures if it can, else stays near the centre; `seed` chooses among equals."""

    name = "king"

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        successors, moves, offsets = games.successors()
        # Successors have the attacker to move: its material is bad for us, and our king is not its own.
        kings = successors[:, KINGS] & ~successors[:, OWN]
        square = np.log2(kings.astype(np.float64)).astype(np.int64)  # powers of two are exact
        from_centre = np.abs(square % 8 - 3.5) + np.abs(square // 8 - 3.5)  # steps along ranks and files
        worth = 0.5 * self._generator.random(len(square)) - 16.0 * rules.material(successors) - from_centre
        return Choice(moves[best_in_segments(worth, offsets)], np.full(len(offsets) - 1, np.nan, np.float32))


@dataclass(frozen=True)
class Conversion:
    """Results of one ending against one defender."""

    ending: str
    defender: str
    games: int
    mated: int
    moves: float | None  # mean number of the agent's moves in the games that it won; None: it won none

    @property
    def share(self) -> float:
        """Mated, 0..1."""
        return self.mated / self.games if self.games else 0.0

    def to_json(self) -> dict[str, Any]:
        """All fields and the share."""
        return {**asdict(self), "share": self.share}


def conversions(
    player: Player, *, games: int, seed: int, defenders: Sequence[str] = DEFENDERS, hooks: Hooks = NO_HOOKS
) -> list[Conversion]:
    """Play `games` of each ending against each defender, from the same starts."""
    found = []
    for ending in ENDINGS:
        starts = random_starts(ending, games, seed)
        for defender in defenders:
            king = KingPlayer(seed) if defender == "king" else RandomPlayer(seed)
            found.append(convert(player, king, starts, ending, hooks))
    return found


def convert(
    player: Player, defender: Player, starts: NDArray[np.uint64], ending: str, hooks: Hooks = NO_HOOKS
) -> Conversion:
    """Play packed `starts` [B, WORDS], White and to move, until mate, a draw by rule, or MOVES moves of `player`."""
    boards = Games(len(starts))
    boards.reset(positions=starts)
    white = np.zeros(len(starts), np.bool_)
    played = run_games(player, defender, boards, white, ply_cap=2 * MOVES - 1, hooks=hooks)
    moves = (played.plies[played.points > 0] + 1) // 2
    return Conversion(ending, defender.name, len(starts), len(moves), float(moves.mean()) if len(moves) else None)


def random_starts(ending: str, count: int, seed: int) -> NDArray[np.uint64]:
    """`count` random legal positions of `ending`, White to move, packed uint64 [count, WORDS]; no game is over."""
    pieces = [chess.Piece(kind, chess.WHITE) for kind in (chess.KING, *ENDINGS[ending])]
    pieces.append(chess.Piece(chess.KING, chess.BLACK))
    generator = np.random.default_rng([seed, list(ENDINGS).index(ending)])
    starts: list[NDArray[np.uint64]] = []
    while len(starts) < count:
        squares = generator.choice(64, len(pieces), replace=False).tolist()
        board = chess.Board(None)
        for square, piece in zip(squares, pieces, strict=True):
            board.set_piece_at(square, piece)
        # Two bishops on squares of one colour are insufficient material: that game is over.
        if board.is_valid() and not board.is_game_over():
            starts.append(rules.from_board(board))
    return np.stack(starts) if starts else np.zeros((0, rules.WORDS), np.uint64)
