"""Sample games in the report: a board to step through, with its value curve. Without scripts it shows the end."""

import json
import re
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

import chess
import chess.svg
import numpy as np

from agent.errors import InputError
from agent.play.saved import read_games

_VALUE: Final = re.compile(r"value before ([+-]\d+\.\d+)")
_NEWEST: Final = 40  # files that are read; decisive games among them are preferred
_WIDTH, _HEIGHT = 520, 130


class SavedGame(NamedTuple):
    """One game, position by position."""

    title: str
    fens: list[str]  # piece placements, the start first: one more than there are moves
    sans: list[str]  # moves with their numbers
    values: list[float | None]  # before each move, for White; None for moves of the opening
    moves: list[str]  # as UCI
    decisive: bool


def saved_games(folder: Path, count: int = 4) -> list[SavedGame]:
    """At most `count` of the newest games in a folder of PGN files, decisive ones first; damaged files are skipped."""
    files = sorted(folder.glob("*.pgn"))[-_NEWEST:]
    games = [game for file in reversed(files) if (game := _read(file)) is not None]
    return sorted(games, key=lambda game: not game.decisive)[:count]


def piece_symbols() -> str:
    """python-chess's pieces, once for all boards of the page."""
    return f'<svg width="0" height="0" class="symbols"><defs>{"".join(chess.svg.PIECES.values())}</defs></svg>'


def game_board(game: SavedGame) -> str:
    """One game as HTML."""
    squares = ""
    for rank, file in np.ndindex(8, 8):
        shade = "dark" if (file + rank) % 2 else "light"
        squares += f'<rect class="{shade}" x="{45 * file}" y="{45 * rank}" width="45" height="45"/>'
    data = {name: getattr(game, name) for name in ("fens", "sans", "values", "moves")}
    last = len(game.moves)
    return (
        f'<figure class="game" data-game="{escape(json.dumps(data), quote=True)}">'
        f'<figcaption>{escape(game.title)}</figcaption><div class="side">'
        f'<svg class="board" viewBox="0 0 360 360" role="img" aria-label="board">{squares}<g class="marks"></g>'
        f'<g class="pieces">{_pieces(game.fens[-1])}</g></svg>'
        f'<div class="aside"><p class="move">{escape(game.sans[-1])}</p>{_curve(game)}'
        f'<input type="range" min="0" max="{last}" value="{last}" aria-label="ply">'
        '<p class="keys"><button type="button" data-by="-1">back</button>'
        '<button type="button" data-by="1">next</button></p></div></div></figure>'
    )


def _read(file: Path) -> SavedGame | None:
    try:
        game = next(read_games(file))
    except InputError:
        return None
    if not game.variations:
        return None
    fens, sans, moves = [game.board().board_fen()], [], []
    values: list[float | None] = []
    for node in game.mainline():
        before = node.parent.board()
        dots = "..." if before.turn == chess.BLACK else "."
        sans.append(f"{before.fullmove_number}{dots}{before.san(node.move)}")
        moves.append(node.move.uci())
        found = _VALUE.search(node.comment)
        values.append(float(found[1]) * (1 if before.turn == chess.WHITE else -1) if found else None)
        fens.append(node.board().board_fen())
    headers = game.headers
    title = f"{headers.get('White', '?')}: {headers['Result']}, {headers.get('Termination', '')}, {len(moves)} plies"
    return SavedGame(title, fens, sans, values, moves, headers["Result"] in ("1-0", "0-1"))


def _pieces(placement: str) -> str:
    """`<use>` elements for a FEN's piece placement."""
    return "".join(
        f'<use href="#{chess.COLOR_NAMES[piece.color]}-{chess.piece_name(piece.piece_type)}" '
        f'x="{45 * chess.square_file(square)}" y="{45 * (7 - chess.square_rank(square))}"/>'
        for square, piece in chess.BaseBoard(placement).piece_map().items()
    )


def _curve(game: SavedGame) -> str:
    """Values for White over the plies; gaps where moves were of the opening."""
    step = _WIDTH / max(len(game.values), 1)
    points = " ".join(
        f"{step * (ply + 0.5):.1f},{_HEIGHT / 2 * (1 - value):.1f}"
        for ply, value in enumerate(game.values)
        if value is not None
    )
    return (
        f'<svg class="value" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="expected score for White">'
        f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{_HEIGHT / 2}" y2="{_HEIGHT / 2}"/>'
        f'<polyline class="curve c0" points="{points}"/><line class="cross" y1="0" y2="{_HEIGHT}" x1="-9" x2="-9"/>'
        f'<text x="4" y="14">White wins</text><text x="4" y="{_HEIGHT - 6}">Black wins</text></svg>'
    )
