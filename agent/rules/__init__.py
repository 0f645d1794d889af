"""Batched chess, compiled: packed positions, legal moves, moving, outcomes. See docs/rules.md."""

from agent.rules.batch import NO_MOVE as NO_MOVE
from agent.rules.batch import count_moves as count_moves
from agent.rules.batch import is_black as is_black
from agent.rules.batch import is_legal as is_legal
from agent.rules.batch import keys as keys
from agent.rules.batch import legal_bits as legal_bits
from agent.rules.batch import legal_moves as legal_moves
from agent.rules.batch import material as material
from agent.rules.batch import observe as observe
from agent.rules.batch import outcome as outcome
from agent.rules.batch import pack_moves as pack_moves
from agent.rules.batch import perft as perft
from agent.rules.batch import play as play
from agent.rules.convert import check_possible as check_possible
from agent.rules.convert import flip_horizontal as flip_horizontal
from agent.rules.convert import from_board as from_board
from agent.rules.convert import from_fen as from_fen
from agent.rules.convert import to_board as to_board
from agent.rules.convert import to_fen as to_fen
from agent.rules.convert import usable_en_passant as usable_en_passant
from agent.rules.games import Games as Games
from agent.rules.games import start as start
from agent.rules.layout import PIECE_VALUES as PIECE_VALUES
from agent.rules.layout import WORDS as WORDS
from agent.rules.termination import Termination as Termination
