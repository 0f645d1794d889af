"""The player that searches, and the agent as a player of batches."""

import numpy as np

from agent.networks.evaluator import Evaluator
from agent.players.network import LookaheadPlayer
from agent.players.player import Choice, Player
from agent.rules import Games
from agent.search import GumbelSearch, SearchSettings, playing


class SearchPlayer:
    """Plays the best move of Gumbel search.

    Args:
        evaluator: the network.
        settings: of the search; `gumbel_scale` 0 plays the best move, above 0 varies.
        seed: of the noise, if there is any.
    """

    def __init__(self, evaluator: Evaluator, settings: SearchSettings, *, seed: int = 0) -> None:
        self._search = GumbelSearch(settings, evaluator.for_search())
        self._seed = seed

    @property
    def name(self) -> str:
        """For tables and PGN."""
        return f"search:{self._search.settings.simulations}"

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        result = self._search.run(games, np.arange(len(games)), self._seed)
        return Choice(result.moves, result.values)


def make_player(evaluator: Evaluator, simulations: int) -> Player:
    """The agent at its best: search without noise, or for 0 simulations a look one ply ahead."""
    if simulations == 0:
        return LookaheadPlayer(evaluator)
    return SearchPlayer(evaluator, playing(simulations))
