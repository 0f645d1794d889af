"""Analysis as tables for the terminal."""

from typing import Final

import chess
from rich.table import Table
from rich.text import Text

from agent.analysis.analyse import Judged, sans
from agent.engine.report import Line, Report

MARKS: Final = {"blunder": "??", "mistake": "?", "inaccuracy": "?!", "": ""}
_STYLES: Final = {"blunder": "bold red", "mistake": "magenta", "inaccuracy": "yellow", "": ""}


def game_table(judged: list[Judged]) -> Table:
    """One row a move."""
    table = Table("move", "prior", "value", "lost", "", "better", title="Judged move by move", title_justify="left")
    for move in judged:
        style = _STYLES[move.verdict]
        better = "" if move.lost < 0.02 else f"{' '.join(move.best_sans[:5])} ({value_of(move.best)})"
        table.add_row(
            Text(f"{move.number} {move.san}{MARKS[move.verdict]}", style=style),
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
            counts = [f"{sum(move.verdict == name for move in own)} {name}" for name in ("blunder", "mistake")]
            counts.append(f"{sum(move.verdict == 'inaccuracy' for move in own)} inaccuracy")
            lost = sum(move.lost for move in own) / len(own)
            name = chess.COLOR_NAMES[color].capitalize()
            sentences.append(f"{name}: {', '.join(counts)}; {lost:.3f} of expected score lost a move.")
    return "\n".join(sentences)


def position_table(board: chess.Board, report: Report, most: int = 12) -> Table:
    """One row a move, the best first."""
    title = f"{chess.COLOR_NAMES[board.turn].capitalize()} to move, {report.simulations} simulations"
    table = Table("move", "prior", "after search", "visits", "value", "line", title=title, title_justify="left")
    for line in report.lines[:most]:
        words = sans(board, line.moves)
        table.add_row(
            words[0],
            f"{100 * line.prior:.1f} %",
            f"{100 * line.policy:.1f} %",
            str(line.visits),
            value_of(line),
            " ".join(words[1:8]),
        )
    return table


def value_of(line: Line) -> str:
    """`+0.31`, or `mate in 3`, `mated in 2` where that is proven."""
    mate = line.mate_in
    if mate is None:
        return f"{line.score:+.2f}"
    return f"mate in {mate}" if mate > 0 else f"mated in {-mate}"
