"""Judging the moves of a game: each is compared with the best move that the agent finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import chess
import chess.pgn

from agent.engine.agent import Agent
from agent.engine.limits import Limits, ThinkOptions
from agent.engine.report import Line, Report
from agent.vocabulary import MAX_LEGAL

VERDICTS: Final = ((0.3, "blunder"), (0.2, "mistake"), (0.1, "inaccuracy"))
"""Smallest loss of expected score (of -1..1) for each verdict: the steps of Lichess on the same scale."""


@dataclass(frozen=True)
class Judged:
    """One move of a game, seen by the side that played it."""

    ply: int
    """Counted from 1."""
    number: str
    """`12.` or `12...`"""
    move: chess.Move
    san: str
    prior: float
    """Probability that the network gave it before search."""
    value: float
    """Expected score -1..1 after it, from a search of the position it leads to (exact where the game ends)."""
    best: Line
    """The best move that the search finds, with its line."""
    best_sans: tuple[str, ...]
    """That line in SAN."""
    board: chess.Board
    """Before the move."""

    @property
    def lost(self) -> float:
        """Expected score lost, 0 for the best move."""
        return 0.0 if self.move == self.best.move else max(0.0, _worth(self.best) - self.value)

    @property
    def verdict(self) -> str:
        """`blunder`, `mistake`, `inaccuracy` or nothing."""
        return next((name for least, name in VERDICTS if self.lost >= least), "")

    @property
    def white_value(self) -> float:
        """Expected score for White after the move."""
        return self.value if self.board.turn == chess.WHITE else -self.value


def judge_game(
    game: chess.pgn.Game, agent: Agent, simulations: int, progress: Callable[[int], None] | None = None
) -> list[Judged]:
    """Judge every move of the main line.

    Args:
        game: its moves count from its own start position.
        agent: judges.
        simulations: of each position.
        progress: called with 1 after each position.
    """
    board, moves = game.board(), list(game.mainline_moves())
    reports: list[Report | None] = []
    boards = [board.copy()]
    for move in moves:
        board.push(move)
        boards.append(board.copy())
    for before in boards:
        reports.append(_think(before, agent, simulations))
        if progress is not None:
            progress(1)
    judged = []
    for ply, move in enumerate(moves, 1):
        before, report = boards[ply - 1], reports[ply - 1]
        if report is None:
            continue  # the game went on after a draw by rule
        dots = "." if before.turn == chess.WHITE else "..."
        prior = next(line.prior for line in report.lines if line.move == move)
        judged.append(
            Judged(
                ply,
                f"{before.fullmove_number}{dots}",
                move,
                before.san(move),
                prior,
                _value_after(boards[ply], reports[ply]),
                report.best,
                sans(before, report.best.moves),
                before,
            )
        )
    return judged


def _think(board: chess.Board, agent: Agent, simulations: int) -> Report | None:
    if board.is_game_over():
        return None
    return agent.think(board, Limits(simulations=simulations), ThinkOptions(lines=MAX_LEGAL, keep=2))


def _value_after(board: chess.Board, report: Report | None) -> float:
    """Expected score for the side that has just moved."""
    if report is None:
        return 1.0 if board.is_checkmate() else 0.0
    return -_worth(report.best)


def _worth(line: Line) -> float:
    """Expected score, a proven mate as a whole point."""
    if line.mate:
        return 1.0 if line.mate > 0 else -1.0
    return line.score


def sans(board: chess.Board, moves: tuple[chess.Move, ...]) -> tuple[str, ...]:
    """A line in SAN."""
    after, words = board.copy(stack=False), []
    for move in moves:
        words.append(after.san(move))
        after.push(move)
    return tuple(words)
