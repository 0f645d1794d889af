"""Makes the positions of the strength benchmark: `python -m benchmarks.strength.positions [--seed 1]`.

They come from games of the agent against itself by Gumbel search, with some random moves, and are those that the
reference engine finds open. The same seed, weights and engine give the same file. A new file makes older figures
incomparable.
"""

import random
from pathlib import Path
from typing import Final

import chess
import typer

from agent.engine.agent import Agent, load_agent
from agent.engine.limits import Limits
from agent.files import save
from benchmarks.measuring import Progress
from benchmarks.strength.reference import Reference

POSITIONS: Final = Path(__file__).with_name("positions.txt")  # a FEN a line in random order: any first part is a sample
MOST: Final = 400
_SIMULATIONS: Final = 100
_RANDOM: Final = 0.04  # share of random moves
_FIRST, _LAST = 12, 100  # plies between which positions are taken
_FEWEST: Final = 5  # legal moves
_A_GAME: Final = 4  # at most
_TRIED: Final = 20  # positions of a game that the engine looks at
_CENTIPAWNS, _NODES = 350, 6000  # within which a position is open, and what the engine searches to find out


def positions() -> list[str]:
    return POSITIONS.read_text().splitlines()


def game(agent: Agent, rng: random.Random) -> list[str]:
    """The positions of one game in which there is a choice."""
    board, found, opening = chess.Board(), list[str](), rng.randint(4, 8)
    while board.ply() < _LAST and not board.is_game_over(claim_draw=True):
        if board.ply() > _FIRST and board.legal_moves.count() >= _FEWEST:
            found.append(board.fen())
        if board.ply() < opening or rng.random() < _RANDOM:
            board.push(rng.choice(list(board.legal_moves)))
        else:
            board.push(agent.think(board, Limits(simulations=_SIMULATIONS)).best.move)
    return found


def make_positions(
    agent: Agent, reference: Reference, number: int, seed: int, progress: Progress = lambda line: None
) -> list[str]:
    """As many different positions, in random order."""
    rng, chosen = random.Random(seed), dict[str, None]()
    for played in range(1, 100 * number):
        seen, taken = game(agent, rng), 0
        for fen in rng.sample(seen, min(len(seen), _TRIED)):
            if taken < _A_GAME and fen not in chosen and is_open(reference, fen):
                chosen[fen], taken = None, taken + 1
        if played % 10 == 0:
            progress(f"{len(chosen)} of {number} positions from {played} games")
        if len(chosen) >= number:
            break
    found = list(chosen)
    rng.shuffle(found)
    return found[:number]


def is_open(reference: Reference, fen: str) -> bool:
    score = reference.analyse(chess.Board(fen), _NODES)["score"].relative.score(mate_score=10_000)
    return abs(score) < _CENTIPAWNS


def main(seed: int = 1, weights: Path | None = None) -> None:
    """Make and write them."""
    with Reference() as reference:
        found = make_positions(load_agent(weights, progress=print), reference, MOST, seed, print)
    save(POSITIONS, "".join(f"{fen}\n" for fen in found).encode())


if __name__ == "__main__":
    typer.run(main)
