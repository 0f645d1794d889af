"""`zeromass ladder`: a run's snapshots against each other and known opponents, on one Elo scale."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from agent.compilation import warm_up
from agent.errors import InputError
from agent.files import check_output, save
from agent.networks.bundled import identity
from agent.networks.weights import Weights, load_weights
from agent.players.external import find_engine
from agent.players.player import Player
from agent.runs import by_step, checkpoint_weights, find_run
from training.evaluation.conversion import conversions
from training.evaluation.ladder.standings import Results, standings_of, table_of
from training.evaluation.match import MatchResult, play_match
from training.evaluation.match_runner import ConcurrentPlayers, Hooks, MatchStop
from training.evaluation.openings import Openings
from training.evaluation.opponents import PlayOptions, make_opponent
from training.monitoring.display import Display
from training.monitoring.pictures.ladder import picture_of_ladder

PART: Final = 20  # games of a pair before the next pair's turn, unless more are concurrent
PLOT: Final = "ladder.svg"


@dataclass(frozen=True)
class LadderOptions:
    """What is played."""

    against: tuple[str, ...]  # opponents by name, see `training.evaluation.opponents`
    snapshots: int  # at most this many
    games: int  # of each pair; an odd one is left out
    play: PlayOptions  # of all players; won endings are played with its simulations
    conversions: int  # starts of each ending; 0: none
    seed: int


@dataclass(frozen=True)
class Snapshot:
    """Weights of a run at one time."""

    name: str  # `step 1200`
    key: str  # fingerprint of the weights, by which results are stored: a name may later mean other weights
    step: int
    minutes: float | None  # training time before it; None where the file does not record it
    weights: Weights


def ladder_command(run: str, options: LadderOptions, as_json: bool) -> int:
    """Run `zeromass ladder`; the exit code: 0, or 130 when Ctrl-C ended it, with all results kept. An InputError
    without such a run or opponent, without a snapshot, or for a ladder file that is damaged or cannot be written; after
    the standings are printed, where an engine failed, or a file could not be written after all."""
    folder = find_run(run)
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    results = Results.read(folder)
    check_output(results.path)
    stopped: KeyboardInterrupt | InputError | None = None
    with ExitStack() as stack:
        opponents = _start_opponents(options, display.say, stack)
        snapshots = find_snapshots(folder, options.snapshots, display.say)
        results.snapshots |= {
            one.key: {"name": one.name, "step": one.step, "minutes": one.minutes} for one in snapshots
        }
        warm_up(display.say)
        try:
            _play_endings(snapshots, results, options, display)
            _play_pairs(snapshots, opponents, results, options, display)
        except (KeyboardInterrupt, InputError) as error:
            stopped = error
    _report(folder, results, options, as_json, display)
    if isinstance(stopped, InputError):
        raise stopped
    if stopped:
        display.say("stopped; all results are kept, and the same command continues")
    return 130 if stopped else 0


def _start_opponents(options: LadderOptions, say: Callable[[str], None], stack: ExitStack) -> dict[str, Player]:
    """The opponents by name; engines run until `stack` closes."""
    started: dict[str, Player] = {}
    for name in options.against:
        if name.startswith("stockfish"):
            try:
                find_engine("stockfish")
            except InputError as error:
                say(f"left out {name}: {error}")
                continue
        started[name] = opponent = make_opponent(name, options.seed, options.play)
        if isinstance(opponent, ConcurrentPlayers):
            stack.callback(opponent.close)
    return started


def _play_endings(snapshots: Sequence[Snapshot], results: Results, options: LadderOptions, display: Display) -> None:
    how, games, seed = options.play.by_simulations, options.conversions, options.seed
    wanted = [one for one in snapshots if not results.converted(how, seed, one.key, games)]
    if not games or not wanted:
        return
    with display.counting("won endings", len(wanted)) as advance:
        for snapshot in wanted:
            player = PlayOptions(options.play.simulations).player(snapshot.weights)
            results.keep_conversions(how, seed, snapshot.key, conversions(player, games=games, seed=seed))
            results.write()
            advance(1)


def _play_pairs(
    snapshots: list[Snapshot], opponents: dict[str, Player], results: Results, options: LadderOptions, display: Display
) -> None:
    """Play the missing games, a part of each pair in turn, so that an early end leaves a balanced picture."""
    by_key = {one.key: one for one in snapshots}

    def make(name: str, first: int) -> Player:
        if name in by_key:
            return options.play.player(by_key[name].weights)
        if isinstance(opponents[name], ConcurrentPlayers):
            return opponents[name]
        # Another seed for each part: a continued ladder must not repeat random choices.
        return make_opponent(name, options.seed + first, options.play)

    pairs = [results.pair(options.play.how, options.seed, *pair) for pair in schedule(list(by_key), list(opponents))]
    games = options.games - options.games % 2
    missing = sum(max(games - pair.games, 0) for pair in pairs)
    if not missing:
        display.say("all games of every pair are played; more with --games")
        return
    part = max(PART, 2 * options.play.side_by_side)
    title = f"{missing} games of {sum(pair.games < games for pair in pairs)} pairs"
    with display.counting(title, missing) as advance:
        while waiting := [pair for pair in pairs if pair.games < games]:
            for pair in waiting:
                players = make(pair.first, pair.games), make(pair.second, pair.games)
                more, openings = min(part, games - pair.games), Openings(options.seed)
                try:
                    result = play_match(*players, openings, games=more, first=pair.games, hooks=Hooks(advance))
                except MatchStop as stop:
                    whole = int((stop.games == np.arange(len(stop.games))).sum())  # without a gap: numbering goes on
                    pair.add(MatchResult.of(pair.second, stop.played.points[:whole], 0))
                    raise
                pair.add(result)
                results.write()


def _report(folder: Path, results: Results, options: LadderOptions, as_json: bool, display: Display) -> None:
    standings = standings_of(results, options.play.how, options.play.by_simulations)
    row = {} if standings is None else standings.to_json()
    if as_json:
        print(json.dumps({**row, **results.to_json()}))
    elif standings is not None:
        Console(markup=False).print(table_of(standings))
    results.write(row)
    if standings is None:
        display.say("no games yet")
        return
    display.say(f"{standings.scale}.")
    for name in standings.left_out:
        display.say(f"left out {name}: no game connects it with the scale")
    below = f"{standings.how}; {standings.scale}"
    picture = picture_of_ladder({folder.name: standings.rows}, f"Ladder of {folder.name}", below)
    save(folder / PLOT, picture.encode())
    display.say(f"results in {results.path}, picture in {folder / PLOT}")


def find_snapshots(run: Path, most: int, say: Callable[[str], None]) -> list[Snapshot]:
    """At most `most` evenly chosen snapshots of a run, the first and last included, oldest first. A checkpoint newer
    than all snapshots counts as one. Damaged files are reported through `say` and skipped; an InputError where there is
    none left."""
    files = list(by_step(run / "weights", ".safetensors").items())
    for path in checkpoint_weights(run)[:1]:
        step = int(path.parent.name.removeprefix("step-"))
        if not files or step > files[-1][0]:
            files.append((step, path))
    found: dict[str, Snapshot] = {}
    for step, path in evenly(files, most):
        try:
            weights = load_weights(path)
        except InputError as error:
            say(f"skipped: {error}")
            continue
        key, minutes = identity(weights).split()[0], None
        with suppress(ValueError):  # not known, or not a number
            minutes = float(weights.provenance.get("seconds", "")) / 60
        found.setdefault(key, Snapshot(f"step {step}", key, step, minutes, weights))
    if not found:
        advice = "let it train with run.snapshot_minutes above 0, or to a checkpoint"
        raise InputError(f"run '{run}' has no snapshot to rate; {advice}")
    return list(found.values())


def evenly(files: Sequence[tuple[int, Path]], most: int) -> list[tuple[int, Path]]:
    """At most `most` of `files` at even distances: always the last, and the first if `most` is at least 2."""
    if len(files) <= most:
        return list(files)
    places = np.linspace(len(files) - 1, 0, most).round().astype(int)[::-1]
    return [files[place] for place in places.tolist()]


def schedule(snapshots: Sequence[str], anchors: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs to play: each snapshot with every anchor and with the next two snapshots, which connects them all."""
    pairs = [(snapshot, anchor) for snapshot in snapshots for anchor in anchors]
    for place, snapshot in enumerate(snapshots):
        pairs += [(later, snapshot) for later in snapshots[place + 1 : place + 3]]
    return pairs
