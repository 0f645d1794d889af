"""The sample games of a run folder, for the report's board."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import chess.pgn

_VALUE: Final = re.compile(r"value before ([+-]\d+\.\d+)")
_LOOKED_AT: Final = 40
"""Newest files, among which decisive games are preferred."""


@dataclass(frozen=True)
class SavedGame:
    """One game, position by position."""

    title: str
    fens: list[str]
    """Piece placements, the start first: one more than there are moves."""
    sans: list[str]
    """Moves with their numbers."""
    values: list[float | None]
    """Before each move, for White; None for moves that were given."""
    moves: list[str]
    """As UCI."""
    decisive: bool

    def to_json(self) -> dict[str, Any]:
        """For the page's script."""
        return {"fens": self.fens, "sans": self.sans, "values": self.values, "moves": self.moves}


def saved_games(folder: Path, count: int = 4) -> list[SavedGame]:
    """At most `count` of the newest games in a folder of PGN files, decisive ones first; damaged files are passed
    over."""
    files = sorted(folder.glob("*.pgn"))[-_LOOKED_AT:]
    games = [game for file in reversed(files) if (game := _read(file)) is not None]
    return sorted(games, key=lambda game: not game.decisive)[:count]


def _read(file: Path) -> SavedGame | None:
    try:
        with file.open() as text:
            game = chess.pgn.read_game(text)
    except (OSError, UnicodeDecodeError):
        return None
    if game is None or game.errors or not game.variations:
        return None
    fens = [game.board().board_fen()]
    sans: list[str] = []
    moves: list[str] = []
    values: list[float | None] = []
    for node in game.mainline():
        before = node.parent.board()
        dots = "..." if before.turn == chess.BLACK else "."
        sans.append(f"{before.fullmove_number}{dots}{before.san(node.move)}")
        moves.append(node.move.uci())
        found = _VALUE.search(node.comment)
        value = float(found[1]) if found else None
        values.append(-value if value is not None and before.turn == chess.BLACK else value)
        fens.append(node.board().board_fen())
    headers = game.headers
    title = f"{headers.get('White', '?')}: {headers['Result']}, {headers.get('Termination', '')}, {len(moves)} plies"
    return SavedGame(title, fens, sans, values, moves, headers["Result"] in ("1-0", "0-1"))
