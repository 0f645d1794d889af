"""How a self-play game begins: after random moves. Games that all begin alike teach one game many times."""

from collections.abc import Sequence

import numpy as np

from agent import rules


def random_opening(seed: int, plies: int, *, after: Sequence[int] = ()) -> list[int]:
    """Vocabulary indices of `plies` uniformly random legal moves from the standard start, or behind the line `after`.
    An opening that ends the game is drawn again, so the position after it always has a legal move. The same seed, any
    int64, gives the same opening, which begins with `after`."""
    generator = np.random.default_rng(abs(seed))
    while True:
        position = rules.start(1)
        moves = list(after)
        for move in moves:
            rules.play(position, np.array([move], np.uint16))
        for _ in range(plies):
            indices, counts = rules.legal_moves(position)
            if counts[0] == 0:
                break
            moves.append(int(indices[0, generator.integers(counts[0])]))
            rules.play(position, np.array([moves[-1]], np.uint16))
        if len(moves) == len(after) + plies and rules.outcome(position, claim_draws=True)[0] == rules.Termination.NONE:
            return moves
