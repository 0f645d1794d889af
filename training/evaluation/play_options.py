"""How both sides of a match choose their moves."""

from dataclasses import dataclass

from agent.engine.thinker import Thinker
from agent.engine.timed import TimedPlayer
from agent.networks.registry import make_evaluator
from agent.networks.weights import Weights, load_weights
from agent.players.network import PolicyPlayer, make_player
from agent.players.player import Player
from agent.search import playing
from training.evaluation.match_runner import ConcurrentPlayers
from training.evaluation.opponents import ENGINE_SECONDS, make_opponent
from training.learner import resolve_device


@dataclass(frozen=True)
class PlayOptions:
    """Limits of both sides; an opponent given as a weights file plays as the agent does."""

    simulations: int = 64
    """Of the agent's search; 0: one ply of lookahead."""
    policy: bool = False
    """The most probable move of the policy, without search."""
    seconds: float | None = None
    """Each side's time a move, instead of simulations; None: an engine gets 0.1."""
    side_by_side: int = 1
    """Concurrent games under time control, each on one core."""

    @property
    def by_simulations(self) -> str:
        """Description of the agent with its simulations: results with equal descriptions share a scale."""
        return f"{self.simulations} simulations{_search()}"

    @property
    def how(self) -> str:
        """Description of the agent as it plays matches."""
        return self.by_simulations if self.seconds is None else f"{self.seconds:g} s a move{_search()}"

    def player(self, weights: Weights) -> Player:
        """The agent with these weights."""
        device = resolve_device("auto")
        if self.policy:
            return PolicyPlayer(make_evaluator(weights.network, device))
        if self.seconds is None:
            return make_player(make_evaluator(weights.network, device), self.simulations)
        evaluators = [make_evaluator(weights.network, device) for _ in range(self.side_by_side)]
        return ConcurrentPlayers([TimedPlayer(Thinker(one.for_search()), self.seconds) for one in evaluators])

    def opponent(self, name: str, seed: int) -> Player:
        """The opponent called `name`; for errors see `make_opponent`."""
        return make_opponent(
            name,
            seed,
            seconds=self.seconds or ENGINE_SECONDS,
            side_by_side=self.side_by_side,
            of_weights=lambda path: self.player(load_weights(path)),
        )


def _search() -> str:
    """Separates results of this search from those with other constants."""
    return f", c_puct {playing().c_puct:g}"
