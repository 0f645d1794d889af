"""Writes deep_mates.txt: 500 positions with a mate in exactly two, 200 in exactly three, as lines `MOVES FEN`.

    python -m tests.data.search.make_mates STOCKFISH

Stockfish at few nodes plays against itself or random moves, from random openings, and says where it sees a mate;
exhaustive search proves the distance. mates.json has 100 with a mate in one and 100 in two, proven in the same way,
from games between greedy and random players.
"""

import random
import sys
from pathlib import Path

import chess
import chess.engine
import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.compilation import njit
from agent.rules.mates import mating_move
from agent.rules.movegen import ROW, find_targets, write_moves
from agent.rules.step import make_move

WANTED = {2: 500, 3: 200}


def mates_in_one(board: chess.Board) -> bool:
    for move in board.legal_moves:
        board.push(move)
        mate = board.is_checkmate()
        board.pop()
        if mate:
            return True
    return False


@njit
def forced_in_two(position: NDArray[np.uint64]) -> bool:
    """Whether some move leaves replies that are all mated: compiled, to look at many positions."""
    rows, spare = np.empty((3, ROW), np.uint16), np.empty((3, 8), np.uint64)
    targets = np.empty(64, np.uint64)
    find_targets(position, targets)
    for i in range(write_moves(position, targets, rows[0])):
        make_move(position, np.int64(rows[0, i]), spare[0])
        find_targets(spare[0], targets)
        replies = write_moves(spare[0], targets, rows[1])
        forced = bool(replies > 0)
        for j in range(replies):
            make_move(spare[0], np.int64(rows[1, j]), spare[1])
            find_targets(spare[1], targets)
            count = write_moves(spare[1], targets, rows[2])
            if mating_move(spare[1], rows[2], count, 0, spare[2], targets) < 0:
                forced = False
                break
        if forced:
            return True
    return False


def mates_within_two(board: chess.Board) -> bool:
    return mates_in_one(board) or forced_in_two(rules.from_board(board))


def forced_in_three(board: chess.Board) -> bool:
    def holds(move: chess.Move) -> bool:
        after = board.copy(stack=False)
        after.push(move)
        replies = [after.copy(stack=False) for _ in range(after.legal_moves.count())]
        for reply, answer in zip(replies, after.legal_moves, strict=True):
            reply.push(answer)
        return bool(replies) and all(map(mates_within_two, replies))

    return any(map(holds, board.legal_moves))


def distance(board: chess.Board) -> int:
    """Moves to a mate in two or three; 0: none, or a sooner one."""
    if mates_in_one(board):
        return 0
    return 2 if mates_within_two(board) else 3 if forced_in_three(board) else 0


def game(engine: chess.engine.SimpleEngine, chance: random.Random) -> dict[int, str]:
    """One position of each distance at most; the side that moves at random does so in a part of its moves."""
    board, found = chess.Board(), dict[int, str]()
    weak, share, nodes = chance.random() < 0.5, chance.choice([0.1, 0.3, 0.6, 1.0]), chance.choice([300, 1000, 3000])
    while board.outcome(claim_draw=True) is None and board.ply() < 160:
        move = chance.choice(list(board.legal_moves))
        if board.ply() >= 6 and (board.turn != weak or chance.random() > share):
            said = engine.analyse(board, chess.engine.Limit(nodes=nodes))
            move, mate = said.get("pv", [move])[0], said["score"].relative.mate() or 0
            if mate in (2, 3, 4) and board.legal_moves.count() >= 5 and board.halfmove_clock < 80:
                found.setdefault(distance(board), board.fen())
        board.push(move)
    return found


def main() -> None:
    chance, found = random.Random(24), {moves: dict[str, None]() for moves in WANTED}
    with chess.engine.SimpleEngine.popen_uci(sys.argv[1]) as engine:
        while any(len(found[moves]) < WANTED[moves] for moves in WANTED):
            for moves, fen in game(engine, chance).items():
                if moves and len(found[moves]) < WANTED[moves]:
                    found[moves][fen] = None
            print({moves: len(fens) for moves, fens in found.items()}, end="\r", flush=True)
    lines = [f"{moves} {fen}\n" for moves, fens in found.items() for fen in fens]
    Path(__file__).with_name("deep_mates.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
