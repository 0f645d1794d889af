"""Both sides of a match: the agent, and opponents by name.

| name | plays |
|---|---|
| `random`, `greedy` | any legal move; the most material at once |
| `alphabeta:N` | the most material N plies deep |
| `stockfish:ELO` | Stockfish held to ELO on its own scale (UCI_LimitStrength, UCI_Elo) |
| `engine:COMMAND` | any UCI engine at full strength |
| `PATH` | a weights file, searched like the agent |
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from agent.engine.thinker import Thinker, TimedPlayer
from agent.errors import InputError
from agent.files import what_is
from agent.networks.registry import make_evaluator
from agent.networks.weights import Weights, load_weights
from agent.players.alphabeta import AlphaBetaPlayer
from agent.players.external import ENGINE_SECONDS, EnginePlayer
from agent.players.network import PolicyPlayer, make_player
from agent.players.player import GreedyPlayer, Player, RandomPlayer
from agent.search import playing
from training.evaluation.match_runner import ConcurrentPlayers
from training.learner import resolve_device


@dataclass(frozen=True)
class PlayOptions:
    """Limits of both sides; an opponent given as a weights file plays as the agent does."""

    simulations: int = 64  # of the agent's search; 0: one ply of lookahead
    policy: bool = False  # the most probable move of the policy, without search
    seconds: float | None = None  # each side's time a move, instead of simulations; None: an engine gets 0.1
    side_by_side: int = 1  # concurrent games under time control, each on one core

    @property
    def by_simulations(self) -> str:
        """Description of the agent with its simulations: results with equal descriptions share a scale."""
        return replace(self, seconds=None).how

    @property
    def how(self) -> str:
        """Description of the agent as it plays matches, with what its search may change."""
        timed = self.seconds is not None
        limit = f"{self.seconds:g} s a move by principal variations" if timed else f"{self.simulations} simulations"
        return f"{limit}, c_puct {playing().c_puct:g}"

    def player(self, weights: Weights) -> Player:
        """The agent with these weights."""
        device = resolve_device("auto")
        if self.policy:
            return PolicyPlayer(make_evaluator(weights.network, device))
        if self.seconds is None:
            return make_player(make_evaluator(weights.network, device), self.simulations)
        evaluators = [make_evaluator(weights.network, device) for _ in range(self.side_by_side)]
        return ConcurrentPlayers([TimedPlayer(Thinker(one.for_search()), self.seconds) for one in evaluators])


def make_opponent(name: str, seed: int, options: PlayOptions | None = None) -> Player:
    """The opponent called `name`; see the table above. `seed` is that of its random choices. Without options weights
    files are refused, and an engine plays one game at a time. The caller must close `ConcurrentPlayers`: an engine's
    thread keeps the interpreter alive. An InputError where there is no such opponent, or its engine is missing or
    refuses its options."""
    kind, _, detail = name.partition(":")
    if name in ("random", "greedy"):
        return RandomPlayer(seed) if name == "random" else GreedyPlayer(seed)
    if kind == "alphabeta":
        if not detail.isdecimal():
            raise InputError(f"opponent {name!r} lacks its depth; write alphabeta:2, say")
        try:
            return AlphaBetaPlayer(int(detail), seed)
        except ValueError as error:
            raise InputError(f"opponent {name!r} is refused: {error}") from error
    if kind == "stockfish":
        if detail and not detail.isdecimal():
            raise InputError(f"opponent {name!r} has no Elo that could be read; write stockfish:1350, say")
        strength = {"UCI_LimitStrength": True, "UCI_Elo": int(detail)} if detail else {}
        return _engines(name, "stockfish", strength, options)
    if kind == "engine":
        return _engines(name, detail, {}, options)
    if options is not None and (Path(name).suffix or what_is(name)):
        return options.player(load_weights(Path(name)))
    known = "random, greedy, alphabeta:2, stockfish:1350, engine:COMMAND, or the path of a weights file"
    raise InputError(f"there is no opponent '{name}'; use {known}")


def anchor_of(name: str) -> float | None:
    """The UCI_Elo that limits the opponent called `name`; None: its strength is not limited."""
    kind, _, elo = name.partition(":")
    return float(elo) if kind == "stockfish" and elo.isdecimal() else None


def _engines(
    name: str, command: str, strength: Mapping[str, bool | int], options: PlayOptions | None
) -> ConcurrentPlayers:
    """Processes of one engine, one for each concurrent game."""
    options = options or PlayOptions()
    with ExitStack() as started:
        engines = []
        for _ in range(options.side_by_side):
            engines.append(EnginePlayer(name, command, strength, seconds=options.seconds or ENGINE_SECONDS))
            started.callback(engines[-1].close)
        started.pop_all()  # all are there
    return ConcurrentPlayers(engines)
