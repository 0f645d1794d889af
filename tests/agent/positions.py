"""Positions that move generators get wrong, and games that reach odd corners. Data for the tests of the rules."""

from collections.abc import Iterator
from typing import Final

import chess
import numpy as np

START: Final = chess.STARTING_FEN

# https://www.chessprogramming.org/Perft_Results
PERFT: Final = {
    START: (20, 400, 8902, 197281, 4865609, 119060324),
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1": (48, 2039, 97862, 4085603, 193690690),
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1": (14, 191, 2812, 43238, 674624),
    "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1": (6, 264, 9467, 422333, 15833292),
    "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8": (44, 1486, 62379, 2103487, 89941194),
    "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10": (46, 2079, 89890, 3894594, 164075551),
}

TRICKY: Final = (
    # Castling: through, out of and into check; b1 attacked or taken; rook attacked; rook captured; both sides.
    "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1",
    "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1",
    "r3k2r/8/8/5r2/8/8/8/R3K2R w KQkq - 0 1",
    "r3k2r/8/8/1r6/8/8/8/R3K2R w KQkq - 0 1",
    "r3k2r/8/8/8/4r3/8/8/R3K2R w KQkq - 0 1",
    "1r2k2r/8/8/8/8/8/8/R3K2R w KQk - 0 1",
    "rn2k1nr/8/8/8/8/8/8/RN2K1NR w KQkq - 0 1",
    "r3k2r/8/8/8/8/8/6p1/R3K2R w KQkq - 0 1",
    "r3k2r/1P4P1/8/8/8/8/1p4p1/R3K2R w KQkq - 0 1",
    "r3k2r/1P4P1/8/8/8/8/1p4p1/R3K2R b KQkq - 0 1",
    "r3k2r/8/8/8/8/8/4p3/R3K2R w KQkq - 0 1",
    "r3k2r/pb4bp/8/8/8/8/PB4BP/R3K2R w KQkq - 0 1",
    # En passant: pinned along rank, file and diagonal; answering check; two captors, one pinned; discovered check.
    "8/8/8/K2pP2r/8/8/8/4k3 w - d6 0 1",
    "8/8/8/8/k2Pp2R/8/8/4K3 b - d3 0 1",
    "4r1k1/8/8/3pP3/8/8/8/4K3 w - d6 0 1",
    "4k3/8/1b6/2pP4/8/8/8/K7 w - c6 0 1",
    "7k/8/8/2KpP3/8/8/8/8 w - d6 0 1",
    "8/8/8/3pP3/2K5/8/8/7k w - d6 0 1",
    "3k4/8/8/1PpP4/8/8/8/3K3R w - c6 0 1",
    "3r3k/8/8/2PpP3/8/8/8/3K4 w - d6 0 1",
    "7k/4b3/8/2PpP3/8/K7/8/8 w - d6 0 1",
    "b6k/8/8/3pP3/8/8/6K1/8 w - d6 0 1",
    "8/5k2/8/2Pp4/2B5/1K6/8/8 w - d6 0 1",
    "8/8/1k6/8/2pP4/8/5BK1/8 b - d3 0 1",
    "8/6bb/8/8/R1pP2k1/4P3/P7/K7 b - d3 0 1",
    # Promotions: by capture, into and out of check, pinned on the seventh, with mate.
    "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",
    "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N w - - 0 1",
    "1k6/1b6/8/8/7R/8/8/4K2R b K - 0 1",
    "2r3k1/1P1P4/8/8/8/8/8/4K3 w - - 0 1",
    "r3k3/1P6/8/b7/8/8/3P4/4K3 w q - 0 1",
    "8/Pk6/8/8/8/8/6Kp/8 w - - 0 1",
    "4k3/P6P/8/8/8/8/p6p/4K3 b - - 0 1",
    "8/k1P5/8/1K6/8/8/8/8 w - - 0 1",
    # Checks and pins: double check, crossing pins, pinned piece that captures its pinner, king behind its own ray.
    "7k/8/8/8/4r3/8/2n5/3QKR2 w - - 0 1",
    "r1b1k3/3q4/5N2/8/8/8/8/1K2R3 b q - 0 1",
    "4r2k/8/8/8/7b/8/4R3/4K3 w - - 0 1",
    "4r2k/8/7b/8/8/4B3/3P4/2K1R3 w - - 0 1",
    "q6k/8/8/3Q4/8/8/6B1/7K w - - 0 1",
    "8/8/8/2k5/3Pp3/8/8/4KQ2 b - d3 0 1",
    "r6k/8/8/8/8/8/8/K6r w - - 0 1",
    "8/8/8/r2PK2r/8/8/8/k7 w - - 0 1",
    "k7/8/8/3q4/4P3/5N2/6B1/7K w - - 0 1",
    "3k4/3p4/8/K1P4r/8/8/8/8 b - - 0 1",
    # Ends: mates, stalemates, bare material, clocks at their limits.
    "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
    "7k/6Q1/6K1/8/8/8/8/8 b - - 0 1",
    "8/8/8/8/8/5k2/5p2/5K2 w - - 0 1",
    "8/8/4k3/8/8/3NK3/8/8 w - - 12 60",
    "8/8/4k3/3b4/8/3BK3/8/8 b - - 12 60",
    "8/8/4kb2/8/8/3BK3/8/8 b - - 12 60",
    "8/8/4k3/3n4/8/3NK3/8/8 w - - 0 60",
    "8/8/8/4k3/8/4K3/2NN4/8 w - - 0 60",
    "8/8/4k3/8/8/3BKB2/8/8 w - - 0 60",
    "R7/8/4k3/8/8/4K3/8/7r w - - 98 100",
    "R7/8/4k3/8/8/4K3/8/7r b - - 148 130",
    "7k/8/6K1/8/8/8/8/R7 w - - 149 130",
    "8/8/8/8/8/1k6/8/K6r w - - 150 200",
    # The most moves that a reachable position has, 218.
    "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1",
    "3Q4/1Q4Q1/4Q3/2Q4R/Q4Q2/3Q4/1Q4Rp/1K1BBNNk w - - 0 1",
)

MOST_MOVES: Final = 10  # harvested positions have few moves, so that the trees below hundreds of them stay affordable


def harvest(number: int, seed: int) -> Iterator[str]:
    """`number` more tricky FENs from random games: each with a pin, check, en passant, promotion or castling."""
    rng = np.random.default_rng(seed)
    found: set[str] = set()
    while True:
        board = chess.Board()
        for _ in range(int(rng.integers(10, 260))):
            moves = list(board.legal_moves)
            if not moves:
                break
            captures = [move for move in moves if board.is_capture(move)]
            board.push(rng.choice(np.array(captures if captures and rng.random() < 0.4 else moves, object)))
        if is_tricky(board) and board.legal_moves.count() <= MOST_MOVES and board.fen() not in found:
            found.add(board.fen())
            yield board.fen()
            if len(found) == number:
                return


def is_tricky(board: chess.Board) -> bool:
    """Whether some rule other than how pieces move decides what is legal."""
    moves = list(board.legal_moves)
    special = any(move.promotion or board.is_castling(move) or board.is_en_passant(move) for move in moves)
    pinned = any(board.is_pinned(board.turn, square) for square in chess.scan_forward(board.occupied_co[board.turn]))
    return bool(moves) and (special or pinned or board.is_check())


def shuffled(rounds: int) -> chess.Board:
    """A queen up, after both kings walked there and back."""
    board = chess.Board("7k/8/8/8/8/8/8/KQ6 w - - 0 1")
    for uci in ("a1a2", "h8g8", "a2a1", "g8h8") * rounds:
        board.push_uci(uci)
    return board
