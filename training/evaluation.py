"""`zeromass evaluate`: a match of the agent against an opponent, for people and for scripts."""

import json
from pathlib import Path

from rich.console import Console

from agent.compilation import warm_up
from agent.evaluators import make_evaluator
from agent.opponent import find_weights, identity
from agent.play.provenance import GUMBEL, Source
from agent.player import Player, PolicyPlayer, make_player
from agent.weights import load_weights
from training.display import Display
from training.learner import resolve_device
from training.match import play_match
from training.match_pgn import MatchRecorder
from training.opponents import make_opponent


def evaluate_command(
    weights: Path | None,
    run: str | None,
    opponent: str,
    games: int,
    seed: int,
    as_json: bool,
    simulations: int,
    policy: bool,
    seconds: float = 0.1,
    pgn: Path | None = None,
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
        seconds: a UCI engine's time a move.
        pgn: write the games there, with what `zeromass replay` needs.

    Raises:
        InputError: an unknown opponent, a missing or damaged weights file.
    """
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    device = resolve_device("auto")

    def of_weights(path: Path) -> Player:
        return make_player(make_evaluator(load_weights(path).network, device), simulations)

    other = make_opponent(opponent, seed, seconds=seconds, of_weights=of_weights)
    found = find_weights(weights, run)
    for line in (*found.warnings, f"testing {found.origin}"):
        display.say(line)
    warm_up(display.say)
    evaluator = make_evaluator(found.weights.network, device)
    player = PolicyPlayer(evaluator) if policy else make_player(evaluator, simulations)
    source = None if policy or not simulations else Source(identity(found.weights), GUMBEL, simulations)
    recorder = None if pgn is None else MatchRecorder(games, player.name, opponent, source)
    with display.counting(f"{games} games against {opponent}", games) as advance:
        result = play_match(player, other, games=games, seed=seed, progress=advance, record=recorder)
    if pgn is not None and recorder is not None:
        recorder.write(pgn)
    print(json.dumps(result.to_json()) if as_json else result.sentence())
    return 0
