"""`zeromass evaluate`: a match of the agent against an opponent, for people and for scripts."""

import contextlib
import json
from pathlib import Path

from rich.console import Console

from agent.compilation import warm_up
from agent.engine.thinker import Thinker
from agent.engine.timed import TimedPlayer
from agent.evaluators import for_search, make_evaluator
from agent.opponent import find_weights, identity
from agent.play.provenance import GUMBEL, Source
from agent.player import Player, PolicyPlayer, make_player
from agent.weights import Weights, load_weights
from training.display import Display
from training.learner import resolve_device
from training.match import play_match
from training.match_pgn import MatchRecorder
from training.opponents import ENGINE_SECONDS, EnginePlayer, make_opponent


def evaluate_command(
    weights: Path | None,
    run: str | None,
    opponent: str,
    games: int,
    seed: int,
    as_json: bool,
    simulations: int,
    policy: bool,
    seconds: float | None = None,
    pgn: Path | None = None,
    side_by_side: int = 1,
) -> int:
    """What `zeromass evaluate` does; the exit code.

    Args:
        weights: a weights file, or
        run: a run's newest checkpoint; neither: what `zeromass play` would use.
        opponent: see `training.opponents`.
        games: how many.
        seed: of openings and opponent.
        as_json: print one JSON object rather than a sentence.
        simulations: of the agent's search; 0: it looks one ply ahead.
        policy: play the most probable move of the policy alone.
        seconds: each side's time a move, in place of simulations; None: an engine has 0.1.
        pgn: write the games there, with what `zeromass replay` needs.
        side_by_side: games thought about at once where time counts, each on one core.

    Raises:
        InputError: an unknown opponent, a missing or damaged weights file.
    """
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    device = resolve_device("auto")

    def player_of(loaded: Weights) -> Player:
        if policy:
            return PolicyPlayer(make_evaluator(loaded.network, device))
        if seconds is None:
            return make_player(make_evaluator(loaded.network, device), simulations)
        evaluators = [make_evaluator(loaded.network, device) for _ in range(side_by_side)]
        return TimedPlayer([Thinker(for_search(evaluator)) for evaluator in evaluators], seconds)

    with contextlib.ExitStack() as stack:
        other = make_opponent(
            opponent,
            seed,
            seconds=seconds or ENGINE_SECONDS,
            side_by_side=side_by_side,
            of_weights=lambda path: player_of(load_weights(path)),
        )
        if isinstance(other, EnginePlayer):
            stack.callback(other.close)
        found = find_weights(weights, run)
        for line in (*found.warnings, f"testing {found.origin}"):
            display.say(line)
        warm_up(display.say)
        player = player_of(found.weights)
        replayable = simulations and not policy and seconds is None
        source = Source(identity(found.weights), GUMBEL, simulations) if replayable else None
        recorder = None if pgn is None else MatchRecorder(games, player.name, opponent, source)
        advance = stack.enter_context(display.counting(f"{games} games against {opponent}", games))
        result = play_match(
            player, other, games=games, seed=seed, opening_plies=None, progress=advance, record=recorder
        )
    if pgn is not None and recorder is not None:
        recorder.write(pgn)
    if isinstance(player, TimedPlayer):
        display.say(f"{player.simulations / max(player.moves, 1):,.0f} simulations a move")
    print(json.dumps(result.to_json()) if as_json else result.sentence())
    return 0
