"""A game in the report: a board that can be stepped through, with its value curve. Without scripts it shows the end."""

import json
from html import escape
from typing import Final

import chess
import chess.svg

from training.monitoring.report.saved_games import SavedGame

_NAMES: Final = {"P": "pawn", "N": "knight", "B": "bishop", "R": "rook", "Q": "queen", "K": "king"}
_WIDTH, _HEIGHT = 520, 130


def piece_symbols() -> str:
    """python-chess's pieces, once for all boards of the page."""
    return f'<svg width="0" height="0" class="symbols"><defs>{"".join(chess.svg.PIECES.values())}</defs></svg>'


def game_board(game: SavedGame) -> str:
    """One game as HTML."""
    squares = "".join(
        f'<rect class="{"dark" if (file + rank) % 2 else "light"}" x="{45 * file}" y="{45 * rank}" width="45" '
        'height="45"/>'
        for rank in range(8)
        for file in range(8)
    )
    data = escape(json.dumps(game.to_json()), quote=True)
    last = len(game.moves)
    return (
        f'<figure class="game" data-game="{data}"><figcaption>{escape(game.title)}</figcaption><div class="side">'
        f'<svg class="board" viewBox="0 0 360 360" role="img" aria-label="board">{squares}<g class="marks"></g>'
        f'<g class="pieces">{_pieces(game.fens[-1])}</g></svg>'
        f'<div class="told"><p class="move">{escape(game.sans[-1])}</p>{_curve(game)}'
        f'<input type="range" min="0" max="{last}" value="{last}" aria-label="ply">'
        '<p class="keys"><button type="button" data-by="-1">back</button>'
        '<button type="button" data-by="1">next</button></p></div></div></figure>'
    )


def _pieces(placement: str) -> str:
    """`<use>` elements for a FEN's piece placement."""
    board = chess.BaseBoard(placement)
    return "".join(
        f'<use href="#{"white" if piece.color else "black"}-{_NAMES[piece.symbol().upper()]}" '
        f'x="{45 * chess.square_file(square)}" y="{45 * (7 - chess.square_rank(square))}"/>'
        for square, piece in board.piece_map().items()
    )


def _curve(game: SavedGame) -> str:
    """Values for White over the plies; gaps where moves were given."""
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
