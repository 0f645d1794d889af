"""What may change about the games while a run goes on, and the decisive openings that are one of these changes."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from agent import rules
from kernels.splitmix import mix
from selfplay.starts import Start, StartSettings, draw_start

LEAD: Final = 5
"""Least pawns' worth by which a side is ahead after a decisive opening: a rook."""
MOST: Final = 20
"""Most that is asked for: little is left of the other side, as in games against somebody who moves at random."""
LONGEST: Final = 100
"""Plies after which a decisive opening is drawn again; for `MOST` half of them have at most 33."""


@dataclass(frozen=True)
class Variations:
    """The part of a generator's settings that can change between two calls of an actor; sent with every call.

    A worked example: after `Variations(StartSettings(opening_plies=16), decisive_share=0.25)` a game that starts draws
    0..16 random plies, or, once in four, an opening after which one side is a rook or more ahead.
    """

    start: StartSettings
    """How games begin."""
    decisive_share: float = 0.0
    """Share of games that begin otherwise: from the standard start, until a side is far ahead, by `LEAD` to `MOST`."""

    def draw_start(self, seed: int, draw: int) -> Start:
        """The start that `seed` (int64 >= 0) and `draw` (64 random bits) fix; it always has a legal move."""
        if self.decisive_share > 0:
            # Scrambled once more: the seed itself goes on to draw the moves.
            chance = int(mix(np.array([seed], np.int64)).view(np.uint64)[0] >> np.uint64(11)) * 2.0**-53
            if chance < self.decisive_share:
                return Start(rules.start(1)[0], decisive_opening(seed, LEAD + draw % (MOST - LEAD + 1)))
        return draw_start(self.start, seed, draw)


def decisive_opening(seed: int, lead: int = LEAD) -> list[int]:
    """Moves from the standard start after which the side to move is at least `lead` pawns' worth ahead.

    One side, drawn by the seed, takes what gains most at once; the other moves at random and had the last word, so
    the lead is not a capture that is about to be taken back by it. Legal moves all, so a record of the game needs
    nothing new; like a random opening it never ends the game.

    Args:
        seed: any int64; the same seed gives the same opening.
        lead: in pawns, 1 to 20.
    """
    generator = np.random.default_rng(abs(seed))
    strong = int(generator.integers(2))
    while True:
        position = rules.start(1)
        moves: list[int] = []
        while len(moves) < LONGEST:
            ours = len(moves) % 2 == strong
            if rules.outcome(position, claim_draws=True)[0] != rules.Termination.NONE:
                break
            if ours and rules.material(position)[0] >= lead:
                return moves
            indices, counts = rules.legal_moves(position)
            choices = indices[0, : counts[0]]
            if ours:
                after = np.repeat(position, len(choices), axis=0)
                rules.play(after, choices)
                # After the move the other side is to move: the least material of theirs is the most of ours.
                balance = rules.material(after)
                choices = choices[balance == balance.min()]
            moves.append(int(choices[generator.integers(len(choices))]))
            rules.play(position, np.array(moves[-1:], np.uint16))
