"""How the agent, and whoever it meets, chooses moves in matches."""

from dataclasses import dataclass

from agent.engine.thinker import Thinker
from agent.engine.timed import TimedPlayer
from agent.networks.evaluators import for_search, make_evaluator
from agent.networks.weights import Weights, load_weights
from agent.players.player import Player, PolicyPlayer, make_player
from agent.search import playing
from training.evaluation.match_runner import Seats
from training.evaluation.opponents import ENGINE_SECONDS, make_opponent
from training.learner import resolve_device


@dataclass(frozen=True)
class PlayOptions:
    """What both sides of a match are given; an opponent of ours that is a weights file plays as the agent does."""

    simulations: int = 64
    """Of the agent's search; 0: it looks one ply ahead."""
    policy: bool = False
    """The most probable move of the policy alone."""
    seconds: float | None = None
    """Each side's time a move, in place of simulations; None: an engine has 0.1."""
    side_by_side: int = 1
    """Games thought about at once where time counts, each on one core."""

    @property
    def by_simulations(self) -> str:
        """The agent's way of choosing moves where no time is given, in words."""
        return f"{self.simulations} simulations{_search()}"

    @property
    def how(self) -> str:
        """The agent's way of choosing moves, in words: results of one way make one scale."""
        return self.by_simulations if self.seconds is None else f"{self.seconds:g} s a move{_search()}"

    def player(self, weights: Weights) -> Player:
        """The agent with these weights."""
        device = resolve_device("auto")
        if self.policy:
            return PolicyPlayer(make_evaluator(weights.network, device))
        if self.seconds is None:
            return make_player(make_evaluator(weights.network, device), self.simulations)
        evaluators = [make_evaluator(weights.network, device) for _ in range(self.side_by_side)]
        return Seats([TimedPlayer(Thinker(for_search(evaluator)), self.seconds) for evaluator in evaluators])

    def opponent(self, name: str, seed: int) -> Player:
        """Whoever `name` means, see `make_opponent`.

        Raises:
            InputError: nobody, or it cannot be started.
        """
        return make_opponent(
            name,
            seed,
            seconds=self.seconds or ENGINE_SECONDS,
            side_by_side=self.side_by_side,
            of_weights=lambda path: self.player(load_weights(path)),
        )


def _search() -> str:
    """Tells results of this search from those of an earlier one."""
    return f", c_puct {playing().c_puct:g}"
