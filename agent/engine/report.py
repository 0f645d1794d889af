"""What a search has found so far, in chess terms, and such terms as text. Light: no NumPy."""

import math
from dataclasses import dataclass

import chess


@dataclass(frozen=True)
class Line:
    """One root move and what is expected after it."""

    moves: tuple[chess.Move, ...]  # the move, then the line
    score: float  # expected score -1..1 for the side to move
    prior: float  # probability before search
    nodes: int  # searched below it
    draws: float | None  # probability of a draw at the end of the line; None where the network does not give one
    mate: int  # proven: k > 0, the side to move mates within k plies; k < 0, it is mated within -k; 0: not proven

    exact: bool = True  # whether the score is the move's own; else it is worth at most that

    @property
    def move(self) -> chess.Move:
        """The root move."""
        return self.moves[0]

    @property
    def mate_in(self) -> int | None:
        """Proven mate in moves, as people and UCI count them: negative for being mated; None: not proven."""
        if self.mate > 0:
            return (self.mate + 1) // 2
        return self.mate // 2 if self.mate < 0 else None

    @property
    def value(self) -> str:
        """The score as text: `+0.31`, `<=+0.31`, or `mate in 3`, `mated in 2` where that is proven."""
        mate = self.mate_in
        if mate is None:
            return f"{'' if self.exact else '<='}{self.score:+.2f}"
        return f"mate in {mate}" if mate > 0 else f"mated in {-mate}"

    @property
    def wdl(self) -> tuple[int, int, int] | None:
        """Win, draw, loss for the side to move in thousandths, summing to 1000; None where they are not known."""
        if self.mate:
            return (1000, 0, 0) if self.mate > 0 else (0, 0, 1000)
        if self.draws is None:
            return None
        draw = min(max(self.draws, 0.0), 1.0 - abs(self.score))
        win = round(500 * (1 - draw + self.score))
        loss = min(round(500 * (1 - draw - self.score)), 1000 - win)
        return win, 1000 - win - loss, loss


@dataclass(frozen=True)
class Report:
    """The state of a search."""

    lines: tuple[Line, ...]  # the best first
    nodes: int  # positions searched; of Gumbel search, simulations
    seconds: float
    depth: float  # in plies: of principal-variation search the last that was finished, of Gumbel search the mean
    deepest: int  # plies of the longest line that was looked at
    full: float  # share of the memory in use
    planned: int = 0  # simulations of a search that a limit stopped before it had done them; else 0
    searched: tuple[tuple[chess.Move, int], ...] = ()  # every legal move with its nodes, if `Control.every` is set

    @property
    def best(self) -> Line:
        """The move to play."""
        return self.lines[0]

    @property
    def speed(self) -> float:
        """Nodes a second."""
        return self.nodes / max(self.seconds, 1e-6)


def centipawns(score: float) -> int:
    """Expected score -1..1 as centipawns: 2 / 0.00368208 * artanh(score), at most 2,000 either way. The inverse of the
    curve by which Lichess turns centipawns into winning chances, so a program that uses that curve shows our expected
    score."""
    bounded = min(max(score, -0.9999), 0.9999)  # artanh(1) is infinite
    return min(max(round(2 / 0.00368208 * math.atanh(bounded)), -2000), 2000)
