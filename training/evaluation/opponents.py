"""Both sides of a match: the agent, and opponents by name.

| name | plays |
|---|---|
| `random`, `greedy` | any legal move; the most material at once |
| `alphabeta:N` | the most material N plies deep |
| `stockfish:ELO` | Stockfish held to ELO on its own scale (UCI_LimitStrength, UCI_Elo) |
| `engine:COMMAND` | any UCI engine at full strength |
| `PATH` | a weights file, searched like the agent |
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.engine.thinker import Thinker
from agent.engine.timed import TimedPlayer
from agent.errors import InputError
from agent.networks.registry import make_evaluator
from agent.networks.weights import Weights, load_weights
from agent.players.alphabeta import AlphaBetaPlayer
from agent.players.external import ENGINE_SECONDS, EnginePlayer
from agent.players.network import PolicyPlayer, make_player
from agent.players.player import Player
from agent.players.simple import GreedyPlayer, RandomPlayer
from agent.search import playing
from training.evaluation.match_runner import ConcurrentPlayers
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


def make_opponent(
    name: str,
    seed: int,
    *,
    seconds: float = ENGINE_SECONDS,
    side_by_side: int = 1,
    of_weights: Callable[[Path], Player] | None = None,
) -> Player:
    """The opponent called `name`; see the table above.

    Args:
        name: of the opponent.
        seed: of its random choices.
        seconds: an engine's time a move.
        side_by_side: concurrent games of an engine, each on one core.
        of_weights: makes a player of a weights file; None: weights files are refused.

    The caller must close `ConcurrentPlayers`: an engine's thread keeps the interpreter alive.

    Raises:
        InputError: there is no such opponent, or its engine is missing or refuses its options.
    """
    kind, _, detail = name.partition(":")
    if name == "random":
        return RandomPlayer(seed)
    if name == "greedy":
        return GreedyPlayer(seed)
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
        options = {"UCI_LimitStrength": True, "UCI_Elo": int(detail)} if detail else {}
        return concurrent_engines(name, ["stockfish"], options, seconds, side_by_side)
    if kind == "engine":
        try:
            command = shlex.split(detail)
        except ValueError as error:
            raise InputError(f"opponent {name!r} cannot be read ({error}); close its quotes") from error
        if not command:
            raise InputError(f"opponent {name!r} names no command; write engine:/path/to/engine")
        return concurrent_engines(name, command, {}, seconds, side_by_side)
    if of_weights is not None and (Path(name).suffix or Path(name).exists()):
        return of_weights(Path(name))
    raise InputError(
        f"there is no opponent {name!r}; use random, greedy, alphabeta:2, stockfish:1350, engine:COMMAND, or the path "
        "of a weights file"
    )


def anchor_of(name: str) -> float | None:
    """The UCI_Elo that limits the opponent called `name`; None: its strength is not limited."""
    kind, _, elo = name.partition(":")
    return float(elo) if kind == "stockfish" and elo.isdecimal() else None


def concurrent_engines(
    name: str, command: Sequence[str], options: Mapping[str, bool | int | str], seconds: float, number: int
) -> ConcurrentPlayers:
    """`number` processes of one engine; for errors see `EnginePlayer`."""
    engines: list[EnginePlayer] = []
    try:
        for _ in range(number):
            engines.append(EnginePlayer(name, command, options, seconds=seconds))
    except InputError:
        for engine in engines:
            engine.close()
        raise
    return ConcurrentPlayers(engines)
