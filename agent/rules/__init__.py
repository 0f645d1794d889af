"""Batched chess, compiled: packed positions, legal moves, moving, outcomes. See docs/rules.md."""

from agent.rules.batch import (
    NO_MOVE,
    count_moves,
    in_check,
    is_black,
    is_legal,
    keys,
    legal_bits,
    legal_moves,
    material,
    observe,
    outcome,
    pack_moves,
    perft,
    play,
)
from agent.rules.convert import from_board, from_fen, to_board, to_fen
from agent.rules.games import Games, start
from agent.rules.record import PIECE_VALUES, WORDS
from agent.rules.termination import Termination

__all__ = [
    "NO_MOVE",
    "PIECE_VALUES",
    "WORDS",
    "Games",
    "Termination",
    "count_moves",
    "from_board",
    "from_fen",
    "in_check",
    "is_black",
    "is_legal",
    "keys",
    "legal_bits",
    "legal_moves",
    "material",
    "observe",
    "outcome",
    "pack_moves",
    "perft",
    "play",
    "start",
    "to_board",
    "to_fen",
]
