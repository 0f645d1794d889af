"""Analysis as tables for the terminal."""

from typing import Final

import chess
from rich.table import Table
from rich.text import Text

from agent.analysis.analyse import VERDICTS, Judged
from agent.engine.report import Report, sans, side_name

_MARKS: Final = {
    "blunder": ("??", "bold red"),
    "mistake": ("?", "magenta"),
    "inaccuracy": ("?!", "yellow"),
    "": ("", ""),
}
"""Verdict to sign and style."""


def game_table(judged: list[Judged]) -> Table:
    """One row a move."""
    table = Table("move", "prior", "value", "lost", "", "better", title="Judged move by move", title_justify="left")
    for move in judged:
        mark, style = _MARKS[move.verdict]
        better = "" if move.lost < 0.02 else f"{' '.join(move.best_sans[:5])} ({move.best.value})"
        table.add_row(
            Text(f"{move.san}{mark}", style=style),
            f"{100 * move.prior:.1f} %",
            f"{move.value:+.2f}",
            f"{move.lost:.2f}" if move.lost >= 0.005 else "",
            Text(move.verdict, style=style),
            better,
        )
    return table


def summary(judged: list[Judged]) -> str:
    """Mistakes of both sides in one sentence each."""
    sentences = []
    for color in chess.COLORS:
        own = [move for move in judged if move.board.turn == color]
        if own:
            counts = [f"{sum(move.verdict == name for move in own)} {name}" for _, name in VERDICTS]
            lost = sum(move.lost for move in own) / len(own)
            sentences.append(f"{side_name(color)}: {', '.join(counts)}; {lost:.3f} of expected score lost a move.")
    return "\n".join(sentences)


def position_table(board: chess.Board, report: Report, most: int = 12) -> Table:
    """One row a move, the best first."""
    title = f"{side_name(board.turn)} to move, {report.simulations} simulations"
    table = Table("move", "prior", "after search", "visits", "value", "line", title=title, title_justify="left")
    for line in report.lines[:most]:
        words = sans(board, line.moves)
        table.add_row(
            words[0],
            f"{100 * line.prior:.1f} %",
            f"{100 * line.policy:.1f} %",
            str(line.visits),
            line.value,
            " ".join(words[1:8]),
        )
    return table
