"""`zeromass ladder`: a run's snapshots against each other and known opponents, on one Elo scale."""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from agent.compilation import warm_up
from agent.errors import InputError
from agent.files import write_atomic
from agent.players.external import find_engine
from agent.players.player import Player
from agent.runs import find_run
from training.evaluation.conversion import conversions
from training.evaluation.ladder.entrants import Snapshot, find_snapshots, schedule
from training.evaluation.ladder.results import Results
from training.evaluation.ladder.standings import standings_of, table_of
from training.evaluation.match import play_games, result_of
from training.evaluation.match_runner import Seats
from training.evaluation.play_options import PlayOptions
from training.monitoring.display import Display
from training.monitoring.pictures.ladder import picture_of_ladder, read_ladder

PART: Final = 20
"""Games of a pair before the next pair has its turn, unless more are thought about side by side."""
PLOT: Final = "ladder.svg"


@dataclass(frozen=True)
class LadderOptions:
    """What is played."""

    against: tuple[str, ...]
    """Opponents by name, see `training.evaluation.opponents`."""
    snapshots: int
    """Most that are chosen."""
    games: int
    """Of each pair; an odd one is left out."""
    play: PlayOptions
    """How everybody chooses moves; endings are shown with its simulations."""
    conversions: int
    """Starts of each ending; 0: none."""
    seed: int


def ladder_command(run: str, options: LadderOptions, as_json: bool) -> int:
    """What `zeromass ladder` does; the exit code: 0, or 130 when Ctrl-C ended it, with everything kept.

    Raises:
        InputError: no such run or opponent, no snapshot, a damaged ladder file.
    """
    folder = find_run(run)
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    results = Results.read(folder)
    with contextlib.ExitStack() as stack:
        anchors = _anchors(options, display.say, stack)
        snapshots = find_snapshots(folder, options.snapshots, display.say)
        results.snapshots |= {
            one.key: {"name": one.name, "step": one.step, "minutes": one.minutes} for one in snapshots
        }
        warm_up(display.say)
        stopped = False
        try:
            _show_endings(snapshots, results, options, display)
            _play(snapshots, anchors, results, options, display)
        except KeyboardInterrupt:
            stopped = True
    _report(folder, results, options, as_json, display)
    if stopped:
        display.say("stopped; what was played is kept, and the same command goes on")
    return 130 if stopped else 0


def _anchors(
    options: LadderOptions, say: Callable[[str], None], stack: contextlib.ExitStack
) -> dict[str, Callable[[int], Player]]:
    """By name, what makes the opponent for the games from a number on; engines run until `stack` ends."""
    makers: dict[str, Callable[[int], Player]] = {}
    for name in options.against:
        if name.startswith("stockfish"):
            try:
                find_engine("stockfish")
            except InputError as error:
                say(f"left out {name}: {error}")
                continue
        made = options.play.opponent(name, options.seed)
        if isinstance(made, Seats):
            stack.callback(made.close)
            makers[name] = _always(made)
        else:
            makers[name] = _anew(name, options)
    return makers


def _always(player: Player) -> Callable[[int], Player]:
    return lambda first: player


def _anew(name: str, options: LadderOptions) -> Callable[[int], Player]:
    # A seed for each part: a ladder that goes on must not see the same luck again.
    return lambda first: options.play.opponent(name, options.seed + first)


def _show_endings(snapshots: Sequence[Snapshot], results: Results, options: LadderOptions, display: Display) -> None:
    how = options.play.by_simulations
    wanted = [one for one in snapshots if not results.converted(how, options.seed, one.key, options.conversions)]
    if not options.conversions or not wanted:
        return
    with display.counting("won endings", len(wanted)) as advance:
        for snapshot in wanted:
            player = PlayOptions(options.play.simulations).player(snapshot.weights)
            found = conversions(player, games=options.conversions, seed=options.seed)
            results.keep_conversions(how, options.seed, snapshot.key, found)
            results.write()
            advance(1)


def _play(
    snapshots: Sequence[Snapshot],
    anchors: Mapping[str, Callable[[int], Player]],
    results: Results,
    options: LadderOptions,
    display: Display,
) -> None:
    """Play what is missing, every pair in turn a part at a time: an end at any moment leaves a fair picture."""
    by_key = {one.key: one for one in snapshots}

    def make(name: str, first: int) -> Player:
        if name in anchors:
            return anchors[name](first)
        return options.play.player(by_key[name].weights)

    pairs = [
        results.pair(options.play.how, options.seed, first, second)
        for first, second in schedule(list(by_key), list(anchors))
    ]
    games = options.games - options.games % 2
    missing = sum(max(games - pair.games, 0) for pair in pairs)
    if not missing:
        display.say("every pair has played already; more with --games")
        return
    title = f"{missing} games of {sum(pair.games < games for pair in pairs)} pairs"
    with display.counting(title, missing) as advance:
        while waiting := [pair for pair in pairs if pair.games < games]:
            for pair in waiting:
                played = play_games(
                    make(pair.first, pair.games),
                    make(pair.second, pair.games),
                    games=min(max(PART, 2 * options.play.side_by_side), games - pair.games),
                    seed=options.seed,
                    first=pair.games,
                    opening_plies=None,
                    progress=advance,
                )
                result = result_of(pair.second, played.points, played.illegal_moves)
                pair.wins += result.wins
                pair.draws += result.draws
                pair.losses += result.losses
                pair.games += result.games
                results.write()


def _report(folder: Path, results: Results, options: LadderOptions, as_json: bool, display: Display) -> None:
    standings = standings_of(results, options.play.how, options.play.by_simulations)
    told = {} if standings is None else standings.to_json()
    results.write(told)
    if as_json:
        print(json.dumps({**told, **results.to_json()}))
    if standings is None:
        display.say("no games yet")
        return
    if not as_json:
        Console().print(table_of(standings))
    display.say(f"{standings.scale}.")
    for name in standings.left_out:
        display.say(f"left out {name}: no game connects it with the scale")
    rungs = {folder.name: read_ladder(folder)}
    picture = picture_of_ladder(rungs, f"Ladder of {folder.name}", f"{standings.how}; {standings.scale}")
    write_atomic(folder / PLOT, picture.encode())
    display.say(f"kept in {results.path}, drawn in {folder / PLOT}")
