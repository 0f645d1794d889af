"""Sample games in the report: a board to step through, with its value curve. Without scripts it shows the end."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import chess

from agent.errors import InputError
from agent.play.saved import read_games

_VALUE: Final = re.compile(r"value before ([+-]\d+\.\d+)")
_NEWEST: Final = 40  # files that are read; decisive games among them are preferred


class SavedGame(NamedTuple):
    """One game, position by position."""

    title: str
    fens: list[str]  # piece placements, the start first: one more than there are moves
    sans: list[str]  # moves with their numbers
    values: list[float | None]  # before each move, for White; None for moves of the opening
    moves: list[str]  # as UCI
    decisive: bool

    def pieces(self) -> Iterator[tuple[str, int, int]]:
        """At the end: the name of python-chess's symbol, and column and row from the upper left."""
        for square, piece in chess.BaseBoard(self.fens[-1]).piece_map().items():
            name = f"{chess.COLOR_NAMES[piece.color]}-{chess.piece_name(piece.piece_type)}"
            yield name, chess.square_file(square), 7 - chess.square_rank(square)

    def curve(self, width: int, height: int) -> Iterator[tuple[float, float]]:
        """Values for White over the plies within so many pixels; none where moves were of the opening."""
        for ply, value in enumerate(self.values):
            if value is not None:
                yield width * (ply + 0.5) / len(self.values), height / 2 * (1 - value)


def saved_games(folder: Path, count: int = 4) -> list[SavedGame]:
    """At most `count` of the newest games in a folder of PGN files, decisive ones first; damaged files are skipped."""
    files = sorted(folder.glob("*.pgn"))[-_NEWEST:]
    games = [game for file in reversed(files) if (game := _read(file)) is not None]
    return sorted(games, key=lambda game: not game.decisive)[:count]


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
