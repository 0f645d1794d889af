"""When a side gives up a game that its search finds lost, and how it is found out how often that is wrong.

Lost endings take many plies and teach little. But an agent that never plays them out forgets how to win them, and a
value that is wrong is never shown to be. So a share of games is played on to its end, and says how often the side that
would have resigned did not lose (AlphaGo Zero, Silver et al. 2017, Methods, "Self-play").
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Resignation:
    """The rule."""

    below: float = 1.0
    """A side finds its position lost once its searched value, -1..1, was at most -`below` ...; 1: it never gives up."""
    in_turn: int = 4
    """... so many times in turn."""
    played_on: float = 0.2
    """Share of games in which nobody gives up."""


class Concession:
    """Watches one game.

    Args:
        rule: of resignation.
        seed: of the game; whether it is played on depends on it alone.
    """

    def __init__(self, rule: Resignation, seed: int) -> None:
        self.side = 0
        """Who first found its position lost: 1 White, -1 Black, 0 neither yet."""
        self._rule = rule
        self._played_on = rule.below >= 1 or np.random.default_rng([seed, 1]).random() < rule.played_on
        self._in_turn = [0, 0]

    def note(self, value: float, black: bool) -> None:
        """Take in the searched value of the side that moves now."""
        self._in_turn[black] = self._in_turn[black] + 1 if value <= -self._rule.below else 0
        if not self.side and self._rule.below < 1 and self._in_turn[black] >= self._rule.in_turn:
            self.side = -1 if black else 1

    @property
    def resigned(self) -> bool:
        """Whether the game ends now."""
        return self.side != 0 and not self._played_on
