"""`zeromass tune`: constants of principal-variation search by SPSA (Spall 1998), from games against itself.

Each step moves all constants at once, up or down by chance, plays two games of the two sides on one opening, and goes
a little towards the side that won. Nothing enters the search by itself: what a tuning found is then checked by a match
against the constants as they are."""

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from rich.console import Console
from rich.table import Table

from agent import drawing
from agent.errors import InputError
from agent.files import check_output, save, what_is
from agent.networks.bundled import find_weights
from agent.networks.contract import CompiledEvaluator
from agent.players.player import Choice
from agent.rules import Games
from agent.search.pvs.margins import DEFAULTS
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.thinking import RootOptions
from training.evaluation.match import MatchResult
from training.evaluation.match_runner import NO_HOOKS, run_games
from training.evaluation.openings import Openings
from training.monitoring.display import Display
from training.monitoring.pictures.frame import Frame, picture
from training.monitoring.pictures.ladder import ticks

_MEGABYTES: Final = 8  # of each side's transposition table
_PLY_CAP: Final = 240
_SHOWN: Final = 100  # points of the curves
# Spall's gains a / (A + k)^0.602 and c / k^0.101; a such that a constant moves by this share of its step a point.
_RATE: Final = 0.02
_SPREAD: Final = 0.12  # a constant's step at the end, as a share of its value


class Tuning(BaseModel, extra="forbid"):
    """What `FILE.json` holds: the constants so far, and how they got there."""

    nodes: int = Field(ge=1)
    games: int = Field(ge=2)  # in all
    played: int = Field(0, ge=0)
    constants: dict[str, float]
    history: list[list[float]] = Field([])  # of the constants after each hundredth of the games

    @classmethod
    def read(cls, path: Path) -> "Tuning":
        """An InputError where the file is damaged or of other constants."""
        try:
            tuning = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(f"'{path}' is no file of zeromass tune; name another one, or delete it") from error
        if set(tuning.constants) != set(DEFAULTS):
            raise InputError(f"'{path}' tuned other constants than this version has; begin a new file")
        return tuning


class Side:
    """Plays with the constants it is given, `nodes` a move."""

    name = "tuned"

    def __init__(self, evaluator: CompiledEvaluator, nodes: int) -> None:
        self._search, self._nodes = PrincipalVariationSearch(evaluator, _MEGABYTES), nodes

    def begin(self, constants: dict[str, float]) -> None:
        """Start new games with these constants."""
        self._search.resize(_MEGABYTES)
        self._search.set_margins(constants)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        found = []
        for row in range(len(games)):
            self._search.begin(games.take([row]), RootOptions())
            self._search.run(self._nodes)
            found.append(self._search.look(1)[0])
        moves, values = ([getattr(move, name) for move in found] for name in ("move", "value"))
        return Choice(np.array(moves, np.uint16), np.array(values, np.float32))


class Tuner:
    """Takes the steps of one `Tuning`; several threads may."""

    def __init__(self, tuning: Tuning, seed: int) -> None:
        self.tuning, self._lock = tuning, threading.Lock()
        self._generator = np.random.default_rng([seed, tuning.played])
        self._steps = {name: _SPREAD * abs(value) for name, value in DEFAULTS.items()}

    def propose(self) -> tuple[int, dict[str, float]]:
        """Number of the next step, and by how much each constant goes up for one side and down for the other."""
        with self._lock:
            number = self.tuning.played // 2
            self.tuning.played += 2
            spread = (self.tuning.games / 2 / (number + 1)) ** 0.101
            signs = self._generator.choice([-1.0, 1.0], len(DEFAULTS))
            moved = zip(self._steps.items(), signs, strict=True)
            return number, {name: float(spread * step * sign) for (name, step), sign in moved}

    def learn(self, number: int, shift: dict[str, float], points: int) -> bool:
        """Go towards the side that won: `points` -2..2 are of the side that went up. Whether this point of the curves
        is worth keeping."""
        steps = self.tuning.games / 2
        rate = _RATE * (1.1 * steps / (0.1 * steps + number + 1)) ** 0.602
        with self._lock:
            constants = self.tuning.constants
            for name, value in shifted(constants, shift, rate * points).items():
                constants[name] = value
            kept = (number + 1) * _SHOWN // steps > number * _SHOWN // steps
            if kept:
                self.tuning.history.append(list(constants.values()))
            return kept


def shifted(constants: dict[str, float], shift: dict[str, float], factor: float) -> dict[str, float]:
    """Constants moved by `factor` times `shift`; each keeps its sign, and a tenth of its default at least."""
    moved = {}
    for name, default in DEFAULTS.items():
        sign = -1.0 if default < 0 else 1.0
        moved[name] = sign * max(sign * (constants[name] + factor * shift[name]), 0.1 * abs(default))
    return moved


class Arena:
    """Games of two sides that differ in their constants only."""

    def __init__(self, evaluators: tuple[CompiledEvaluator, CompiledEvaluator], nodes: int, seed: int) -> None:
        self._sides = Side(evaluators[0], nodes), Side(evaluators[1], nodes)
        self._openings = Openings(seed)

    def pair(self, number: int, first: dict[str, float], second: dict[str, float]) -> NDArray[np.int8]:
        """Points [2] of `first` in two games on the opening of this number, with White and with Black."""
        for side, constants in zip(self._sides, (first, second), strict=True):
            side.begin(constants)
        boards = self._openings.boards([2 * number, 2 * number + 1], NO_HOOKS)
        return run_games(*self._sides, boards, np.array([False, True]), ply_cap=_PLY_CAP).points


def tune_command(
    path: Path, nodes: int, games: int, check: int, seed: int, side_by_side: int, weights: Path | None
) -> int:
    """Run `zeromass tune`: begin or continue the tuning in `path`, then a match of `check` games; the exit code, 130
    after Ctrl-C. An InputError for a file that is damaged, of other size or not to be written, or weights that
    principal-variation search does not take."""
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    drawn = path.with_suffix(".svg")
    for file in (path, drawn):
        check_output(file)
    tuning = Tuning.read(path) if what_is(path) else Tuning(nodes=nodes, games=games, constants=dict(DEFAULTS))
    if (tuning.nodes, tuning.games) != (nodes, games):
        asked = f"--nodes {tuning.nodes} --games {tuning.games}"
        raise InputError(f"'{path}' holds another tuning; continue it with {asked}, or name another file")
    found = find_weights(weights, None)
    evaluators = [found.weights.for_search() for _ in range(2 * side_by_side)]
    compiled = [one for one in evaluators if isinstance(one, CompiledEvaluator)]
    if len(compiled) < len(evaluators):
        raise InputError(f"{found.origin} are searched without principal variations: there is nothing to tune")
    display.say(f"with {found.origin}")
    arenas = [Arena(pair, nodes, seed) for pair in zip(compiled[::2], compiled[1::2], strict=True)]
    tuner = Tuner(tuning, seed)

    def step(arena: Arena) -> None:
        number, shift = tuner.propose()
        sides = (shifted(tuning.constants, shift, sign) for sign in (1.0, -1.0))
        if tuner.learn(number, shift, int(arena.pair(number, *sides).sum())):
            save(path, (tuning.model_dump_json(indent=1) + "\n").encode())
            save(drawn, draw(tuning).encode())

    try:
        _share(display, f"tuning over {games} games", (games - tuning.played) // 2, arenas, step)
    finally:
        save(path, (tuning.model_dump_json(indent=1) + "\n").encode())
    _show(tuning)
    points = list[NDArray[np.int8]]()
    numbers = itertools.count(games)  # other openings

    def play(arena: Arena) -> None:
        points.append(arena.pair(next(numbers), tuning.constants, DEFAULTS))

    _share(display, f"{check} games to check", check // 2, arenas, play)
    if points:
        print(MatchResult.of("the constants as they are", np.concatenate(points), 0).sentence())
    return 0


def _share(display: Display, title: str, count: int, arenas: Sequence[Arena], work: Callable[[Arena], None]) -> None:
    """Call `work` `count` times, with whichever arena is free; Ctrl-C waits for games that have begun."""
    free: SimpleQueue[Arena] = SimpleQueue()
    for arena in arenas:
        free.put(arena)

    def one() -> None:
        arena = free.get()
        try:
            work(arena)
        finally:
            free.put(arena)

    with display.counting(title, count) as advance, ThreadPoolExecutor(len(arenas)) as threads:
        try:
            for done in as_completed([threads.submit(one) for _ in range(count)]):
                done.result()
                advance(1)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _show(tuning: Tuning) -> None:
    table = Table("constant", "is", "tuned", title=f"after {tuning.played:,} games", title_justify="left")
    for name, value in tuning.constants.items():
        table.add_row(name, f"{DEFAULTS[name]:g}", f"{value:.4g}")
    Console().print(table)


def draw(tuning: Tuning) -> str:
    """SVG of each constant over the games, as a share of what it is now."""
    defaults = np.array(list(DEFAULTS.values()))
    shares = np.array(tuning.history) / defaults
    lowest, highest = min(float(shares.min()), 0.9), max(float(shares.max()), 1.1)
    frame = Frame(x=(0, _SHOWN), y=(lowest, highest))
    marks = {mark: f"{mark:g}" for mark in ticks(lowest, highest)}
    parts = [frame.axes({0: "0", _SHOWN: f"{tuning.games:,}"}, marks, "games; each constant over its value now")]
    for name, curve in zip(DEFAULTS, shares.T.tolist(), strict=True):
        parts.append(frame.line([(0, 1.0), *enumerate(curve, start=1)], dots=False))
        parts.append(drawing.text(*frame.at(len(curve) + 0.5, curve[-1]), name, 10))
    return picture("Constants of the search", parts, f"{tuning.nodes:,} nodes a move")
