"""Writes mates.json: positions with a mate in one, and with a forced mate in two but none in one.

    python -m tests.data.search.make_mates

They come from games between greedy and random players; python-chess proves each by exhaustive search.
"""

import json
from pathlib import Path

import chess
import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.compilation import njit
from agent.players.player import GreedyPlayer, Player, RandomPlayer
from agent.rules import Games
from agent.rules.mates import mating_move
from agent.rules.movegen import ROW, find_targets, write_moves
from agent.rules.step import make_move

NUMBER = 100
MOST_MOVES = 45


def mates_in_one(board: chess.Board) -> bool:
    for move in board.legal_moves:
        board.push(move)
        mate = board.is_checkmate()
        board.pop()
        if mate:
            return True
    return False


def forced_in_two(board: chess.Board) -> bool:
    for move in board.legal_moves:
        board.push(move)
        forced = board.outcome() is None
        if forced:
            for reply in board.legal_moves:
                board.push(reply)
                forced = board.outcome() is None and mates_in_one(board)
                board.pop()
                if not forced:
                    break
        board.pop()
        if forced:
            return True
    return False


@njit
def maybe_in_two(position: NDArray[np.uint64]) -> bool:
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


def main() -> None:
    rng = np.random.default_rng(5)
    found: dict[str, list[str]] = {"one": [], "two": []}
    players: list[Player] = [GreedyPlayer(6), RandomPlayer(7)]
    games = Games(64)
    while min(len(fens) for fens in found.values()) < NUMBER:
        for player in (players[0], players[int(rng.integers(2))]):
            games.play(player.choose(games).moves)
            ended = games.outcome() != 0
            games.reset(ended | (games.ply > 200))
        for row in rng.permutation(64)[:16]:
            board = rules.to_board(games.positions[row])
            if games.ply[row] < 16 or board.legal_moves.count() > MOST_MOVES:
                continue
            if not maybe_in_two(games.positions[row]) and not mates_in_one(board):
                continue
            kind = "one" if mates_in_one(board) else "two" if forced_in_two(board) else ""
            if kind and len(found[kind]) < NUMBER:
                found[kind].append(board.fen())
                games.reset([int(row)])  # one position a game
    Path(__file__).with_name("mates.json").write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
