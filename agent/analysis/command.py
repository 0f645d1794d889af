"""`zeromass analyse`, and its tables for the terminal."""

import re
from pathlib import Path
from typing import Final

import chess
import chess.pgn
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from agent.analysis.picture import picture_of_game, picture_of_position, write_picture
from agent.engine.agent import load_agent
from agent.engine.limits import Limits, ThinkOptions
from agent.engine.report import Report
from agent.errors import InputError
from agent.files import check_output, save, what_is
from agent.notation import quote, read_fen, sans, side_name
from agent.play.judge import VERDICTS, Judged, annotate, judge_game
from agent.play.saved import find_games
from agent.vocabulary import MAX_LEGAL

_MARKS: Final = {
    "blunder": ("??", "bold red"),
    "mistake": ("?", "magenta"),
    "inaccuracy": ("?!", "yellow"),
    "": ("", ""),
}
"""Verdict to sign and style."""


def analyse_command(
    what: str,
    nodes: int,
    pgn: Path | None,
    picture: Path | None,
    weights: Path | None,
    run: str | None,
    game_number: int = 1,
) -> int:
    """`zeromass analyse GAME.pgn|FEN`; returns the exit code. Raises InputError: neither a readable file nor a FEN;
    nothing to judge; a place that cannot be written."""
    console = Console(highlight=False, markup=False)
    if picture is not None and picture.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"picture '{picture}' must end in .svg or .png")
    for place in (pgn, picture):
        if place is not None:
            check_output(place)
    if Path(what).suffix.lower() == ".pgn" or what_is(what):
        game, texts = _find_game(Path(what), game_number, pgn)
        agent = load_agent(weights, run)
        console.print(f"analysing with {agent.origin}", soft_wrap=True)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("positions", total=game.end().ply() - game.ply())
            judged = judge_game(game, agent, nodes, lambda done: progress.advance(task, done))
        console.print(game_table(judged))
        console.print(summary(judged))
        try:
            if pgn is not None:
                annotate(game, judged, f"ZeroMass, {nodes} nodes, {agent.identity}")
                texts[game_number] = str(game)
                save(pgn, ("\n\n".join(text.strip() for text in texts.values()) + "\n").encode())
        finally:
            if picture is not None:
                white, black, result = (game.headers.get(tag, "?") for tag in ("White", "Black", "Result"))
                write_picture(picture, picture_of_game(judged, f"{white} - {black}  {result}"))
        return 0
    if pgn is not None:
        raise InputError(f"--pgn '{pgn}' has no use for the position {quote(what, 80)}; only games are annotated")
    board = read_fen(what)
    if not any(board.legal_moves):
        raise InputError(f"FEN {quote(what, 80)} has no legal move to analyse; the game is over")
    agent = load_agent(weights, run)
    console.print(f"analysing with {agent.origin}", soft_wrap=True)
    report = agent.think(board, Limits(nodes=nodes), ThinkOptions(lines=MAX_LEGAL, keep=5))
    console.print(position_table(board, report))
    if picture is not None:
        write_picture(picture, picture_of_position(board, report.lines, f"{report.nodes} nodes"))
    return 0


def _find_game(path: Path, number: int, pgn: Path | None) -> tuple[chess.pgn.Game, dict[int, str]]:
    """Game `number` of the file, and what `pgn` is to hold by number: all games where that is the same file. Raises
    InputError: there is no such game, nothing to judge in it, or comments that would be lost."""
    name, chosen, texts = f"game {number} of '{path}'", None, dict[int, str]()
    for found in find_games(path):
        texts[found.number] = found.text
        chosen = found if found.number == number else chosen
    if chosen is None:
        raise InputError(f"{name} does not exist; it holds {len(texts)}")
    if chosen.fault:
        raise InputError(chosen.fault)
    if chosen.game.next() is None or chosen.game.board().is_game_over():
        raise InputError(f"{name} has no moves to judge; analyse its FEN instead")
    if pgn is None or not what_is(pgn) or not path.samefile(pgn):
        return chosen.game, {}
    # Tags and comments in braces are kept; python-chess drops other comments.
    if re.search(r";|^%", re.sub(r"^\[.*\]\s*$|\{[^}]*\}", "", chosen.text, flags=re.MULTILINE), re.MULTILINE):
        raise InputError(f"{name} has comments after ';' or '%' that --pgn '{pgn}' would lose; name another file")
    return chosen.game, texts


def game_table(judged: list[Judged]) -> Table:
    """One row a move."""
    table = Table("move", "prior", "value", "lost", "", "better", title="Judged move by move", title_justify="left")
    for move in judged:
        mark, style = _MARKS[move.verdict]
        better = "" if move.lost < 0.02 else f"{' '.join(move.best_sans[:5])} ({move.best.value})"
        lost, verdict = f"{move.lost:.2f}" if move.lost >= 0.005 else "", Text(move.verdict, style=style)
        worth = f"{100 * move.prior:.1f} %", f"{move.value:+.2f}"
        table.add_row(Text(f"{move.san}{mark}", style=style), *worth, lost, verdict, better)
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
    title = f"{side_name(board.turn)} to move, {report.nodes} nodes"
    table = Table("move", "prior", "share", "nodes", "value", "line", title=title, title_justify="left")
    for line in report.lines[:most]:
        first, *then = sans(board, line.moves)[:8]
        prior, share = f"{100 * line.prior:.1f} %", f"{100 * line.nodes / max(report.nodes, 1):.1f} %"
        table.add_row(first, prior, share, str(line.nodes), line.value, " ".join(then))
    return table
