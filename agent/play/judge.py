"""Judging the moves of a game: each is compared with the best move that the agent finds. Verdicts as annotations."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import chess
import chess.engine
import chess.pgn

from agent.engine.agent import Agent
from agent.engine.limits import Limits, ThinkOptions
from agent.engine.report import Line, Report, centipawns
from agent.notation import move_number, sans
from agent.vocabulary import MAX_LEGAL

VERDICTS: Final = ((0.3, "blunder"), (0.2, "mistake"), (0.1, "inaccuracy"))
"""Smallest loss of expected score (of -1..1) for each verdict: the steps of Lichess on the same scale."""

_NAGS: Final = {
    "blunder": chess.pgn.NAG_BLUNDER,
    "mistake": chess.pgn.NAG_MISTAKE,
    "inaccuracy": chess.pgn.NAG_DUBIOUS_MOVE,
}
_OURS: Final = re.compile(
    r"\s*\b(?:(blunder|mistake|inaccuracy): )?prior [0-9.]+ %, value [+-][0-9.]+(?:, better [^\s,]+)?"
    r"(?:\s*\[%eval [^\]]*\])?"
)
"""What `annotate` wrote into a comment."""


@dataclass(frozen=True)
class Judged:
    """One move of a game, seen by the side that played it."""

    ply: int  # counted from 1
    move: chess.Move
    prior: float  # probability that the network gave it before search
    value: float  # expected score -1..1 after it, from a search of the position it leads to (exact where the game ends)
    best: Line  # the best move that the search finds, with its line
    board: chess.Board  # before the move

    @property
    def san(self) -> str:
        """The move in SAN with its number, as `12. Nf3`."""
        return f"{move_number(self.board)} {self.board.san(self.move)}"

    @property
    def best_sans(self) -> tuple[str, ...]:
        """The best line in SAN."""
        return sans(self.board, self.best.moves)

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
    game: chess.pgn.Game, agent: Agent, nodes: int, progress: Callable[[int], None] | None = None
) -> list[Judged]:
    """Judge every move of the main line by searches of `nodes`; `progress` is called with 1 after each move."""
    agent.forget()  # the same game gets the same verdicts
    board, judged = game.board(), list[Judged]()
    report = _think(board, agent, nodes)
    for ply, move in enumerate(game.mainline_moves(), 1):
        before, found = board.copy(), report
        board.push(move)
        report = _think(board, agent, nodes)
        if progress is not None:
            progress(1)
        if found is not None:  # else the game went on after a draw by rule
            prior = next(line.prior for line in found.lines if line.move == move)
            value = -_worth(report.best) if report is not None else float(board.is_checkmate())
            judged.append(Judged(ply, move, prior, value, found.best, before))
    return judged


def _think(board: chess.Board, agent: Agent, nodes: int) -> Report | None:
    if board.is_game_over():
        return None
    return agent.think(board, Limits(nodes=nodes), ThinkOptions(lines=MAX_LEGAL, keep=1))


def _worth(line: Line) -> float:
    """Expected score, a proven mate as a whole point."""
    return math.copysign(1.0, line.mate) if line.mate else line.score


def annotate(game: chess.pgn.Game, judged: list[Judged], annotator: str) -> None:
    """Write verdicts, values and better lines into `game`; what was there stays, but for what this wrote before."""
    others = game.headers.get("Annotator", "").partition("ZeroMass, ")[0].rstrip("; ")
    game.headers["Annotator"] = f"{others}; {annotator}" if others else annotator
    by_ply = {move.ply: move for move in judged}
    for ply, node in enumerate(list(game.mainline()), 1):
        if (move := by_ply.get(ply)) is None:
            continue
        text = f"prior {100 * move.prior:.1f} %, value {move.value:+.2f}"
        before = _OURS.search(node.comment)
        if before is not None and before[1]:
            node.nags.discard(_NAGS[before[1]])
        node.comment = _OURS.sub("", node.comment).rstrip()
        if move.verdict:
            node.nags.add(_NAGS[move.verdict])
            text = f"{move.verdict}: {text}, better {move.best_sans[0]}"
        node.comment = f"{node.comment} {text}".strip()
        if node.eval() is None:  # another engine's stays
            node.set_eval(chess.engine.PovScore(chess.engine.Cp(centipawns(move.white_value)), chess.WHITE))
        if move.verdict and not node.parent.has_variation(move.best.move):
            branch = node.parent
            for better in move.best.moves[:8]:
                branch = branch.add_variation(better)
