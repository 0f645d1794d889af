"""Writes deep_mates.txt: 500 positions with a mate in exactly two, 200 in exactly three, as lines `MOVES FEN`.

    python -m tests.data.search.make_deep_mates STOCKFISH

Stockfish at few nodes plays against itself or random moves, from random openings, and says where it sees a mate;
exhaustive search proves the distance.
"""

import random
import sys
from pathlib import Path

import chess
import chess.engine

from agent import rules
from tests.data.search.make_mates import mates_in_one, maybe_in_two

WANTED = {2: 500, 3: 200}


def mates_within_two(board: chess.Board) -> bool:
    return mates_in_one(board) or maybe_in_two(rules.from_board(board))


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
