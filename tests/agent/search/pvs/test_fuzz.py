"""10,000 odd positions searched with every index checked: lines are legal, nothing is read or written out of range.

`python -m tests.agent.search.pvs.test_fuzz KIND NUMBER`, with NUMBA_BOUNDSCHECK=1, repeats one position."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import chess
import numpy as np
import pytest

from agent import vocabulary
from agent.networks.bundled import find_weights
from agent.networks.contract import CompiledEvaluator
from agent.rules import Games
from agent.search.pvs.scores import INFINITE
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.pvs.state import DEEPEST, ROOT_DEPTH
from agent.search.thinking import RootOptions
from tests.agent.positions import PERFT, TRICKY
from tests.processes import run_python

EACH, NODES = 1000, 2000
DATA = Path(__file__).parents[3] / "data" / "search"
MATES = [row.partition(" ")[2] for row in (DATA / "deep_mates.txt").read_text().splitlines()]
MATES += json.loads((DATA / "mates.json").read_text())["one"]
Chance = random.Random


def scattered(chance: Chance, pieces: str, board: chess.Board | None = None) -> chess.Board:
    """Some `pieces` on any free squares; the position may be impossible."""
    board = board or chess.Board(None)
    for piece in map(chess.Piece.from_symbol, pieces):
        free = ~board.occupied & (~chess.BB_BACKRANKS if piece.piece_type == chess.PAWN else chess.BB_ALL)
        board.set_piece_at(chance.choice(list(chess.SquareSet(free))), piece)
    board.turn = chance.random() < 0.5
    return board


def some(chance: Chance, pieces: str) -> str:
    return "".join(chance.sample(pieces, chance.randint(0, len(pieces))))


def walked(chance: Chance, board: chess.Board, plies: int, back: float = 0.0) -> chess.Board:
    """After random moves, with the share `back` of those that undo the mover's last one."""
    for _ in range(plies if board.is_valid() else 0):
        moves = list(board.legal_moves)
        undone = [chess.Move(last.to_square, last.from_square) for last in board.move_stack[-2:-1]]
        if moves:
            board.push(undone[0] if undone and undone[0] in moves and chance.random() < back else chance.choice(moves))
    return board


def promotions(chance: Chance) -> chess.Board:
    board = chess.Board(None)
    for square in chance.sample(range(8), chance.randint(1, 5)):
        board.set_piece_at(chess.square(square, chance.choice([1, 6])), chess.Piece(1, chance.random() < 0.5))
    return scattered(chance, "Kk" + some(chance, "QqRrNnbBPp"), board)


def castling(chance: Chance) -> chess.Board:
    board = scattered(chance, some(chance, "QqNnBbPPPppp"), chess.Board("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"))
    board.set_castling_fen(chance.choice(["KQkq", "KQkq", "KQ", "kq", "Kq", "Qk", "K", "q"]))
    return board


def en_passant(chance: Chance) -> chess.Board:
    """The pawn has just passed another: with pins, checks and discovered checks along the way."""
    file = chance.randrange(8)
    board = chess.Board(None)
    board.set_piece_at(chess.square(file, 6), chess.Piece.from_symbol("p"))
    for beside in {max(file - 1, 0), min(file + 1, 7)} - {file}:
        board.set_piece_at(chess.square(beside, 4), chess.Piece.from_symbol("P"))
    board = scattered(chance, "Kk" + some(chance, "QqRrBbNPp"), board)
    board.turn, push = chess.BLACK, chess.Move(chess.square(file, 6), chess.square(file, 4))
    if board.is_valid() and board.is_legal(push):
        board.push(push)
    return board if chance.random() < 0.5 else board.mirror()


def repetitions(chance: Chance) -> chess.Board:
    base = chess.Board(chance.choice(list(PERFT))) if chance.random() < 0.5 else scattered(chance, "KkRrQqPp")
    return walked(chance, base, chance.randint(6, 60), back=0.9)


def clock(chance: Chance) -> chess.Board:
    board = scattered(chance, "Kk" + some(chance, "QqRrNnBbPPpp"))
    board.halfmove_clock, board.fullmove_number = chance.randint(85, 149), 120
    return board


def mates(chance: Chance) -> chess.Board:
    return walked(chance, chess.Board(chance.choice(MATES)), chance.choice([0, 0, 1, 2]))


def tight(chance: Chance) -> chess.Board:
    """Few moves: stalemates and single replies are near."""
    return scattered(chance, "Kk" + chance.choice(["Q", "QP", "QR", "RRp", "Qpp", "QQn"]))


def bare(chance: Chance) -> chess.Board:
    return scattered(chance, "Kk" + some(chance, "PpNnBb")[:3])


def queens(chance: Chance) -> chess.Board:
    if chance.random() < 0.02:
        return walked(chance, chess.Board(chance.choice(TRICKY[-2:])), chance.choice([0, 2]))  # 218 moves
    return scattered(chance, "Kk" + some(chance, "QQQQQQQQQqqqqqqqqqRrNn"))


def played(chance: Chance) -> chess.Board:
    start = chess.Board(chance.choice([chess.STARTING_FEN, *PERFT, *TRICKY]))
    return walked(chance, start, chance.randint(0, 120))


KINDS: dict[Callable[[Chance], chess.Board], Callable[[chess.Board], bool]] = {
    promotions: lambda board: any(move.promotion for move in board.legal_moves),
    castling: lambda board: any(map(board.is_castling, board.legal_moves)) or board.is_check(),
    en_passant: chess.Board.has_legal_en_passant,
    repetitions: lambda board: board.is_repetition(2),
    clock: lambda board: True,
    mates: lambda board: True,
    tight: lambda board: board.legal_moves.count() < 4,
    bare: lambda board: True,
    queens: lambda board: board.legal_moves.count() > 30 or board.is_check(),
    played: lambda board: True,
}
"""What each kind of position must have besides a legal move; ten kinds of `EACH`."""


def check(search: PrincipalVariationSearch, kind: Callable[[Chance], chess.Board], number: int) -> None:
    """Search one position; AssertionError or ValueError if a line is wrong, IndexError for an index out of range."""
    chance = random.Random(f"{kind.__name__} {number}")
    board = kind(chance)
    while not (board.is_valid() and any(board.legal_moves) and KINDS[kind](board)):
        board = kind(chance)
    moves = [vocabulary.from_uci(move.uci(), black=not board.turn) for move in board.legal_moves]
    allowed = np.array(chance.sample(moves, chance.choice([0, 0, 0, 1])), np.uint16)
    deep = kind is queens and number % 2 == 0
    options = RootOptions(allowed, chance.choice([1, 1, 1, 2, 5]), mate=deep or chance.random() < 0.1)
    search.begin(Games.from_boards([board]), options)
    if deep:  # checks extend lines to the end of the stack
        search._search.state[ROOT_DEPTH] = DEEPEST // 2
        search._steps = (True for _ in search._search_root(search._order, DEEPEST // 2, -INFINITE, INFINITE))
    while search.nodes < NODES and search.run(chance.randint(1, NODES - search.nodes)):
        pass
    found = search.look(8)
    values = [move.value for move in found]
    assert values == sorted(values, reverse=True)
    for move in found:
        after = board.copy()
        for index in move.line:
            after.push_uci(vocabulary.to_uci(index, black=not after.turn))
        assert not allowed.size or move.move in allowed
        assert len(move.line) != abs(move.mate) or after.is_checkmate()


def main(*only: str) -> None:
    network = cast(CompiledEvaluator, find_weights().weights.for_search())
    deepest, (broken, search) = 0, (PrincipalVariationSearch(network, megabytes=1) for _ in range(2))
    broken._search = broken._search._replace(ranks=broken._search.ranks[:1])
    with pytest.raises(IndexError):
        check(broken, played, 0)
    for kind in KINDS:
        for number in range(EACH) if not only else [int(only[1])] if only[0] == kind.__name__ else []:
            try:
                check(search, kind, number)
                deepest = max(deepest, search.deepest)
            except Exception:
                print(f"{kind.__name__} {number}", file=sys.stderr)
                raise
    assert only or deepest > 110
    print("done")


@pytest.mark.slow
def test_odd_positions_under_bounds_checks(tmp_path: Path) -> None:
    module, cache = "tests.agent.search.pvs.test_fuzz", str(tmp_path)
    done = run_python("-m", module, seconds=850, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=cache)
    assert (done.stderr, done.stdout) == ("", "done\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
