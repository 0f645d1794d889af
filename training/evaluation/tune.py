"""`zeromass tune`: the constants of principal-variation search by SPSA (Spall 1998), from games against itself.

Each step moves all constants at once, up or down by chance, plays two games of the two sides on one opening, and goes
a little towards the side that won. Nothing enters the search by itself: at the end a match against the constants as
they are shows what was found."""

import itertools
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
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
from agent.search.pvs.margins import DEFAULTS, WHOLE
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
_POINTS: Final = 100  # of the curves
_STEP: Final = 0.12  # how far a constant is moved at the end, as a share of its default
_RATE: Final = 0.02  # how far it then goes for a point, as a share of that step


class Tuning(BaseModel, extra="forbid"):
    """What FILE.json holds."""

    nodes: int = Field(ge=1)
    games: int = Field(ge=2)  # in all
    played: int = Field(0, ge=0)
    constants: dict[str, float] = Field(default_factory=lambda: dict(DEFAULTS))
    history: list[list[float]] = Field([])  # the constants after each hundredth of the games

    @classmethod
    def read(cls, path: Path) -> "Tuning":
        """An InputError where the file is damaged, or of other constants than this version has."""
        try:
            tuning = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(f"'{path}' is not a file of zeromass tune; name another one, or delete it") from error
        if tuning.constants.keys() != DEFAULTS.keys():
            raise InputError(f"'{path}' tuned other constants than there are now; begin a new file")
        return tuning


class Spsa:
    """Proposes and takes the steps of one tuning, for several threads. The gains are Spall's: the k-th of n steps moves
    the constants by their last step times (n / k)^0.101, and goes towards the winner by a rate that falls with k^0.602.
    """

    def __init__(self, tuning: Tuning, seed: int) -> None:
        self.tuning, self._lock = tuning, threading.Lock()
        self._generator = np.random.default_rng([seed, tuning.played])

    def propose(self) -> tuple[int, dict[str, float]]:
        """Number of the next step, from 1, and how far one side's constants go up and the other's down."""
        with self._lock:
            self.tuning.played += 2
            number = self.tuning.played // 2
            spread = _STEP * (self.tuning.games / 2 / number) ** 0.101
            signs = self._generator.choice([-1.0, 1.0], len(DEFAULTS))
            steps = {name: max(spread * abs(DEFAULTS[name]), 0.5 if name in WHOLE else 0.0) for name in DEFAULTS}
            return number, {name: float(sign) * steps[name] for name, sign in zip(DEFAULTS, signs, strict=True)}

    def learn(self, number: int, shift: Mapping[str, float], points: int) -> bool:
        """Take step `number`; `points` -2..2 are of the side that went up. Whether a point of the curves is due."""
        steps = self.tuning.games / 2
        rate = _RATE * (1.1 * steps / (0.1 * steps + number)) ** 0.602
        with self._lock:
            self.tuning.constants = shifted(self.tuning.constants, shift, rate * points)
            due = number * _POINTS // steps > (number - 1) * _POINTS // steps
            if due:
                self.tuning.history.append(list(self.tuning.constants.values()))
            return due


def shifted(constants: Mapping[str, float], shift: Mapping[str, float], factor: float) -> dict[str, float]:
    """Constants moved by `factor` times `shift`; each keeps its sign, and a tenth of its default at least."""
    moved = {}
    for name, default in DEFAULTS.items():
        sign = -1.0 if default < 0 else 1.0
        moved[name] = sign * max(sign * (constants[name] + factor * shift[name]), 0.1 * abs(default))
    return moved


def whole(constants: Mapping[str, float], chance: float) -> dict[str, float]:
    """Constants with those of `WHOLE` rounded, up with the chance of their fraction if `chance` is uniform in 0..1."""
    return {name: math.floor(value + chance) if name in WHOLE else value for name, value in constants.items()}


@dataclass
class Side:
    """Plays with the constants it is given, `nodes` a move."""

    search: PrincipalVariationSearch
    nodes: int
    name: str = "tuned"

    def begin(self, constants: Mapping[str, float]) -> None:
        """Start new games with these constants."""
        self.search.resize(_MEGABYTES)
        self.search.set_constants(constants)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        found = []
        for row in range(len(games)):
            self.search.begin(games.take([row]), RootOptions())
            self.search.run(self.nodes)
            found.append(self.search.look(1)[0])
        moves, values = ([getattr(move, name) for move in found] for name in ("move", "value"))
        return Choice(np.array(moves, np.uint16), np.array(values, np.float32))


Sides = tuple[Side, Side]


def play_pair(sides: Sides, first: Mapping[str, float], second: Mapping[str, float], boards: Games) -> NDArray[np.int8]:
    """Points [2] of the constants `first`, with White and with Black, in games on `boards` of one opening."""
    for side, constants in zip(sides, (first, second), strict=True):
        side.begin(constants)
    return run_games(*sides, boards, np.array([False, True]), ply_cap=_PLY_CAP).points


def tune_command(
    path: Path, nodes: int, games: int, check: int, seed: int, side_by_side: int, weights: Path | None
) -> int:
    """Run `zeromass tune`: begin or continue the tuning in `path`, then a match of `check` games. An InputError for a
    file that is damaged, of other size or not to be written, or weights that principal-variation search does not
    take."""
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    drawn = path.with_suffix(".svg")
    for file in (path, drawn):
        check_output(file)
    tuning = Tuning.read(path) if what_is(path) else Tuning(nodes=nodes, games=games)
    if (tuning.nodes, tuning.games) != (nodes, games):
        asked = f"--nodes {tuning.nodes} --games {tuning.games}"
        raise InputError(f"'{path}' holds another tuning; continue it with {asked}, or name another file")
    found = find_weights(weights, None)
    evaluators = [found.weights.for_search() for _ in range(2 * side_by_side)]
    players = [Side(PrincipalVariationSearch(one), nodes) for one in evaluators if isinstance(one, CompiledEvaluator)]
    if not players:
        raise InputError(f"{found.origin} are searched without principal variations: there is nothing to tune")
    display.say(f"with {found.origin}")
    pairs = list(zip(players[::2], players[1::2], strict=True))
    spsa, openings = Spsa(tuning, seed), Openings(seed)

    def keep() -> None:
        save(path, (tuning.model_dump_json(indent=1) + "\n").encode())

    def step(sides: Sides) -> None:
        number, shift = spsa.propose()
        chance = float(np.random.default_rng([seed, number]).random())  # the same for both: they differ where it counts
        up, down = (whole(shifted(tuning.constants, shift, sign), chance) for sign in (1.0, -1.0))
        boards = openings.boards([2 * number, 2 * number + 1], NO_HOOKS)
        if spsa.learn(number, shift, int(play_pair(sides, up, down, boards).sum())):
            keep()
            save(drawn, draw(tuning).encode())

    _share(display, f"tuning over {games} games", (games - tuning.played) // 2, pairs, step)
    keep()
    table = Table("constant", "is", "tuned", title=f"after {tuning.played:,} games", title_justify="left")
    for name, value in tuning.constants.items():
        table.add_row(name, f"{DEFAULTS[name]:g}", f"{value:.4g}")
    Console().print(table)
    points, numbers = list[NDArray[np.int8]](), itertools.count(games)  # openings that the tuning did not see

    def test(sides: Sides) -> None:
        number = next(numbers)
        boards = openings.boards([2 * number, 2 * number + 1], NO_HOOKS)
        points.append(play_pair(sides, whole(tuning.constants, 0.5), DEFAULTS, boards))

    if check:
        _share(display, f"{check} games to check", check // 2, pairs, test)
        print(MatchResult.of("the constants as they are", np.concatenate(points), 0).sentence())
    return 0


def _share(display: Display, title: str, count: int, pairs: Sequence[Sides], work: Callable[[Sides], None]) -> None:
    """Call `work` `count` times, each with sides that are free; Ctrl-C waits for games that have begun."""
    free: SimpleQueue[Sides] = SimpleQueue()
    for sides in pairs:
        free.put(sides)

    def one() -> None:
        sides = free.get()
        try:
            work(sides)
        finally:
            free.put(sides)

    with display.counting(title, count) as advance, ThreadPoolExecutor(len(pairs)) as threads:
        try:
            for done in as_completed([threads.submit(one) for _ in range(count)]):
                done.result()
                advance(1)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def draw(tuning: Tuning) -> str:
    """SVG of each constant over the games, as a share of its default."""
    shares = np.array(tuning.history) / np.array(list(DEFAULTS.values()))
    lowest, highest = min(float(shares.min()), 0.9), max(float(shares.max()), 1.1)
    frame = Frame(x=(0, _POINTS), y=(lowest, highest))
    marks = {mark: f"{mark:g}" for mark in ticks(lowest, highest)}
    parts = [frame.axes({0: "0", _POINTS: f"{tuning.games:,}"}, marks, "games; each constant over its default")]
    for name, curve in zip(DEFAULTS, shares.T.tolist(), strict=True):
        parts.append(frame.line([(0, 1.0), *enumerate(curve, start=1)], dots=False))
        parts.append(drawing.text(*frame.at(len(curve) + 0.5, curve[-1]), name, 10))
    return picture("Constants of the search", parts, f"{tuning.nodes:,} nodes a move")
