"""`zeromass evaluate`: a match of the agent against an opponent, or won endings, for people and for scripts."""

import contextlib
import json
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agent.compilation import warm_up
from agent.engine.agent import find_weights, identity
from agent.networks.weights import Weights
from agent.play.provenance import GUMBEL, Source
from agent.search import playing
from training.evaluation.conversion import Conversion, conversions
from training.evaluation.match import MatchResult, book_plies, play_match, result_of
from training.evaluation.match_pgn import MatchRecorder
from training.evaluation.match_runner import MatchInterrupt, Seats
from training.evaluation.opponents import anchor_of
from training.evaluation.play_options import PlayOptions
from training.evaluation.sequential import play_sequential_match
from training.evaluation.sprt import read_sprt
from training.monitoring.display import Display


def evaluate_command(
    weights: Path | None,
    run: str | None,
    opponent: str,
    games: int,
    seed: int,
    options: PlayOptions,
    as_json: bool,
    pgn: Path | None = None,
    sprt: str | None = None,
) -> int:
    """What `zeromass evaluate` does; the exit code: 0, or 130 when Ctrl-C ended a match at tables early.

    Args:
        weights: a weights file, or
        run: a run's newest checkpoint; neither: what `zeromass play` would use.
        opponent: see `training.evaluation.opponents`.
        games: how many; with `sprt` at most.
        seed: of openings and opponent.
        options: how both sides choose moves.
        as_json: print one JSON object rather than a sentence.
        pgn: write the games there, with what `zeromass replay` needs.
        sprt: `ELO0:ELO1` of a sequential test that ends the match.

    Raises:
        InputError: an unknown opponent, a missing or damaged weights file, a test that is none.
    """
    test = None if sprt is None else read_sprt(sprt)
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    with contextlib.ExitStack() as stack:
        other = options.opponent(opponent, seed)
        if isinstance(other, Seats):
            stack.callback(other.close)
        loaded = _find(weights, run, display)
        player = options.player(loaded)
        replayable = options.simulations and not options.policy and options.seconds is None
        source = Source(identity(loaded), GUMBEL, options.simulations, settings=playing()) if replayable else None
        recorder = None if pgn is None else MatchRecorder(games, player.name, opponent, source, book_plies)
        most = games if test is None else games - games % 2
        advance = stack.enter_context(display.counting(f"{most} games against {opponent}", most))
        finished: Container[int] | None = None
        try:
            if test is None:
                result = play_match(
                    player, other, games=games, seed=seed, opening_plies=None, progress=advance, record=recorder
                )
                told, row = [result.sentence()], result.to_json()
            else:
                sequential = play_sequential_match(
                    player,
                    other,
                    sprt=test,
                    games=games,
                    seed=seed,
                    side_by_side=options.side_by_side,
                    progress=advance,
                    record=recorder,
                )
                result, row = sequential.match, sequential.to_json()
                told = [result.sentence(), test.sentence(sequential.pairs)]
        except MatchInterrupt as stopped:
            if not len(stopped.games):
                raise
            finished = set(stopped.games.tolist())
            result = result_of(other.name, stopped.points, stopped.illegal_moves)
            told = [f"stopped after {result.games} of {most} games", result.sentence()]
            row = {**result.to_json(), "stopped": True}
    if pgn is not None and recorder is not None:
        recorder.write(pgn, finished)
    if isinstance(player, Seats):
        display.say(f"{player.total('simulations') / max(player.total('moves'), 1):,.0f} simulations a move")
    anchor = anchor_of(opponent)
    if anchor is not None:
        row |= anchored(result, anchor)
        told.append(anchored_sentence(result, anchor))
    print(json.dumps(row) if as_json else "\n".join(told))
    return 0 if finished is None else 130


def conversion_command(
    weights: Path | None, run: str | None, games: int, seed: int, options: PlayOptions, as_json: bool
) -> int:
    """What `zeromass evaluate --conversion` does; for arguments and errors see `evaluate_command`."""
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    player = options.player(_find(weights, run, display))
    found = conversions(player, games=games, seed=seed)
    if as_json:
        print(json.dumps({"conversion": [one.to_json() for one in found]}))
    else:
        Console().print(conversion_table(found))
    return 0


def conversion_table(found: Sequence[Conversion]) -> Table:
    """One row an ending and defender."""
    table = Table(
        "ending", "defender", "mated", "moves", title="Won endings, mated within 50 moves", title_justify="left"
    )
    for one in found:
        moves = "" if one.moves is None else f"{one.moves:.1f}"
        table.add_row(one.ending.upper(), one.defender, f"{one.mated} of {one.games}", moves)
    return table


def anchored(result: MatchResult, anchor: float) -> dict[str, Any]:
    """The player's Elo on the scale on which the opponent has `anchor`; None where it is infinite."""
    row = result.to_json()
    on_scale = {
        f"anchored_{key}": None if row[key] is None else anchor + row[key] for key in ("elo", "elo_low", "elo_high")
    }
    return {"anchor": anchor, **on_scale}


def anchored_sentence(result: MatchResult, anchor: float) -> str:
    """For people."""
    row = anchored(result, anchor)
    elo, low, high = (row[f"anchored_{key}"] for key in ("elo", "elo_low", "elo_high"))
    if elo is not None:
        return f"{elo:.0f} Elo on Stockfish's scale (95 % interval {low:.0f} to {high:.0f})"
    bound = f"above {low:.0f}" if result.score > 0.5 else f"below {high:.0f}"
    return f"{bound} Elo on Stockfish's scale (95 % interval); a match that is all won or all lost gives no more"


def _find(weights: Path | None, run: str | None, display: Display) -> Weights:
    found = find_weights(weights, run)
    for line in (*found.warnings, f"testing {found.origin}"):
        display.say(line)
    warm_up(display.say)
    return found.weights
