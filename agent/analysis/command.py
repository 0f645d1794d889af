"""`zeromass analyse`, and its tables for the terminal."""

from pathlib import Path
from typing import Final

import chess
import chess.pgn
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from agent.analysis.analyse import VERDICTS, Judged, annotate, judge_game
from agent.analysis.picture import picture_of_game, picture_of_position, write_picture
from agent.engine.agent import Agent, load_agent
from agent.engine.limits import Limits, ThinkOptions
from agent.engine.report import Report, sans, side_name
from agent.errors import InputError
from agent.files import save
from agent.notation import quote, read_fen
from agent.play.replay import read_games
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
    simulations: int,
    pgn: Path | None,
    picture: Path | None,
    weights: Path | None,
    run: str | None,
    game_number: int = 1,
) -> int:
    """`zeromass analyse GAME.pgn|FEN`; returns the exit code.

    Raises:
        InputError: neither a readable file nor a FEN; nothing to judge; a place that cannot be written.
    """
    console = Console(highlight=False)
    if picture is not None and picture.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"picture '{picture}' must end in .svg or .png")
    if Path(what).suffix.lower() == ".pgn" or Path(what).is_file():
        games = list(read_games(Path(what)))
        if game_number > len(games):
            raise InputError(f"game {game_number} of '{what}' does not exist; it holds {len(games)}")
        game = games[game_number - 1]
        if game.next() is None:
            raise InputError(f"game {game_number} of '{what}' has no moves to judge; analyse its FEN instead")
        _analyse_game(game, console, load_agent(weights, run), simulations, pgn, picture)
        return 0
    if pgn is not None:
        raise InputError(f"--pgn '{pgn}' has no use for the position {quote(what, 80)}; only games are annotated")
    board = read_fen(what)
    if not any(board.legal_moves):
        raise InputError(f"FEN {quote(what, 80)} has no legal move to analyse; the game is over")
    agent = load_agent(weights, run)
    console.print(f"analysing with {agent.origin}", soft_wrap=True)
    report = agent.think(board, Limits(simulations=simulations), ThinkOptions(lines=MAX_LEGAL, keep=5))
    console.print(position_table(board, report))
    if picture is not None:
        write_picture(picture, picture_of_position(board, report.lines, f"{report.simulations} simulations"))
    return 0


def _analyse_game(
    game: chess.pgn.Game, console: Console, agent: Agent, simulations: int, pgn: Path | None, picture: Path | None
) -> None:
    console.print(f"analysing with {agent.origin}", soft_wrap=True)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("positions", total=game.end().ply() - game.ply())
        judged = judge_game(game, agent, simulations, lambda done: progress.advance(task, done))
    console.print(game_table(judged))
    console.print(summary(judged))
    if pgn is not None:
        annotate(game, judged, f"ZeroMass, {simulations} simulations, {agent.identity}")
        save(pgn, f"{game}\n".encode())
    if picture is not None:
        title = (
            f"{game.headers.get('White', '?')} - {game.headers.get('Black', '?')}  {game.headers.get('Result', '*')}"
        )
        write_picture(picture, picture_of_game(judged, title))


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
