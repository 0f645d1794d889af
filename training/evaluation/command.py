"""`zeromass evaluate`: a match of the agent against an opponent, or won endings, for people and for scripts."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agent.compilation import warm_up
from agent.files import check_output
from agent.networks.bundled import find_weights, identity
from agent.networks.weights import Weights
from agent.play.provenance import Source
from agent.search import playing
from training.evaluation.conversion import conversions
from training.evaluation.match import MatchRecorder, MatchResult, play_match
from training.evaluation.match_runner import ConcurrentPlayers, Hooks, MatchError, MatchStop
from training.evaluation.openings import Openings
from training.evaluation.opponents import PlayOptions, anchor_of, make_opponent
from training.evaluation.sprt import read_sprt
from training.monitoring.display import Display


@dataclass(frozen=True)
class MatchOptions:
    """What is played, and where it is kept."""

    opponent: str  # see `training.evaluation.opponents`
    games: int  # how many; with `sprt` at most
    seed: int  # of the openings and the opponent
    play: PlayOptions
    pgn: Path | None = None  # write the games there, with what `zeromass replay` needs
    sprt: str | None = None  # `ELO0:ELO1` of a sequential test that ends the match


def evaluate_command(weights: Path | None, run: str | None, options: MatchOptions, as_json: bool) -> int:
    """Run `zeromass evaluate`; the exit code: 0, or 130 where Ctrl-C ended concurrent games early. For `weights` and
    `run` see `find_weights`. An InputError for an unknown opponent, missing or damaged weights, an invalid test, or a
    place for games that cannot be written. After the result is printed: an engine failed, or the games could not be
    written after all."""
    if options.pgn is not None:
        check_output(options.pgn)
    test = None if options.sprt is None else read_sprt(options.sprt)
    games = options.games if test is None else options.games - options.games % 2
    openings = Openings(options.seed)
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    stopped: MatchStop | None = None
    with contextlib.ExitStack() as stack:
        opponent = make_opponent(options.opponent, options.seed, options.play)
        if isinstance(opponent, ConcurrentPlayers):
            stack.callback(opponent.close)
        loaded = find_aloud(weights, run, display)
        play, player = options.play, options.play.player(loaded)
        # Only moves of a search with a number of simulations can be repeated.
        searched = play.simulations > 0 and not play.policy and play.seconds is None
        source = Source(identity(loaded), play.simulations, settings=playing()) if searched else None
        recorder = MatchRecorder(games, player.name, options.opponent, source, openings)
        title = f"{games} games against {options.opponent}"
        ended = stack.enter_context(display.counting(title, games))
        hooks = Hooks(ended) if options.pgn is None else Hooks(ended, recorder)
        try:
            result = play_match(player, opponent, openings, games=games, sprt=test, hooks=hooks)
            lines, row = [result.sentence()], result.to_json()
            if test is not None:
                lines.append(test.sentence(result.pairs))
                row["sprt"] = test.to_json(result.pairs)
        except MatchStop as stop:
            if not len(stop.games):
                raise
            stopped = stop
            result = MatchResult.of(opponent.name, stop.played.points, stop.played.illegal_moves)
            lines = [f"stopped after {result.games} of {games} games", result.sentence()]
            row = {**result.to_json(), "stopped": True}
    if isinstance(player, ConcurrentPlayers):
        display.say(f"{player.total('nodes') / max(player.total('moves'), 1):,.0f} nodes a move")
    anchor = anchor_of(options.opponent)
    if anchor is not None:
        keys, sentence = anchored(result, anchor)
        row |= keys
        lines.append(sentence)
    try:
        if options.pgn is not None:
            recorder.write(options.pgn, None if stopped is None else set(stopped.games.tolist()))
    finally:
        print(json.dumps(row) if as_json else "\n".join(lines))
    if isinstance(stopped, MatchError):
        raise stopped
    return 0 if stopped is None else 130


def conversion_command(
    weights: Path | None, run: str | None, games: int, seed: int, play: PlayOptions, as_json: bool
) -> int:
    """Run `zeromass evaluate --conversion`; for arguments and errors see `evaluate_command`."""
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    found = conversions(play.player(find_aloud(weights, run, display)), games=games, seed=seed)
    if as_json:
        print(json.dumps({"conversion": [one.to_json() for one in found]}))
    else:
        title = "Won endings, mated within 50 moves"
        table = Table("ending", "defender", "mated", "moves", title=title, title_justify="left")
        for one in found:
            moves = "" if one.moves is None else f"{one.moves:.1f}"
            table.add_row(one.ending.upper(), one.defender, f"{one.mated} of {one.games}", moves)
        Console().print(table)
    return 0


def anchored(result: MatchResult, anchor: float) -> tuple[dict[str, float | None], str]:
    """The player's Elo on the scale on which the opponent has `anchor`: keys for scripts, and a sentence. Elo is None
    where it is infinite, because every game was won or lost."""
    keys = ("elo", "elo_low", "elo_high")
    elo, low, high = (None if one is None else anchor + one for one in map(result.to_json().get, keys))
    row = {"anchor": anchor, "anchored_elo": elo, "anchored_elo_low": low, "anchored_elo_high": high}
    if elo is not None:
        return row, f"{elo:.0f} Elo on Stockfish's scale (95 % interval {low:.0f} to {high:.0f})"
    bound, reason = (f"above {low:.0f}", "won") if result.score > 0.5 else (f"below {high:.0f}", "lost")
    return row, f"{bound} Elo on Stockfish's scale (95 % interval; every game was {reason})"


def find_aloud(weights: Path | None, run: str | None, display: Display, doing: str = "testing") -> Weights:
    """Weights as `find_weights` finds them; says which, and compiles what plays them."""
    found = find_weights(weights, run)
    for line in (*found.warnings, f"{doing} {found.origin}"):
        display.say(line)
    warm_up(display.say)
    return found.weights
