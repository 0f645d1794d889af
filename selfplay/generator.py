"""Plays many games in lock-step. Plain Python: no Ray, one ply a call.

Shapes: G games side by side, A = 1,880 moves.
"""

from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.meter import InvalidMassMeter, MassReading
from agent.rules import Games, Termination
from agent.search import SearchSettings
from kernels.splitmix import mix
from selfplay.mover import Moved, Mover, PolicyMover, SearchMover
from selfplay.record import GameRecord, RaggedPolicy
from selfplay.starts import Start, StartSettings, draw_start


@dataclass(frozen=True)
class GeneratorSettings:
    """How games are played."""

    games: int
    """Games side by side: the batch of the network."""
    start: StartSettings
    """How games begin."""
    ply_cap: int
    """Plies (opening included) after which a game is ended as CAPPED."""
    temperature: float
    """Of the sampled policy, where there is no search."""
    claim_draws: bool
    """Whether threefold repetition and 50 moves end a game, as if either side always claimed."""
    search: SearchSettings | None = None
    """Gumbel search chooses the moves; None: they are sampled from the policy."""


def make_mover(evaluator: Evaluator, settings: GeneratorSettings, seed: int) -> Mover:
    """The mover that the settings ask for."""
    if settings.search is None:
        return PolicyMover(evaluator, temperature=settings.temperature, seed=seed)
    return SearchMover(evaluator, settings.search, seed=seed)


@dataclass
class GeneratorStatistics:
    """What happened since the statistics were last taken."""

    plies: int = 0
    entropy_total: float = 0.0
    seconds: float = 0.0
    """All of the time; of which"""
    moving: float = 0.0
    """seconds were the mover's: network, search, sampling;"""
    checking: float = 0.0
    """seconds the meter's;"""
    ruling: float = 0.0
    """seconds went into playing the moves and judging the positions. The rest is Python that keeps the records."""
    mass: MassReading = field(default_factory=MassReading)


@dataclass
class GameInProgress:
    """The rows of a record while its game is played."""

    number: int
    seed: int
    start: Start
    positions: list[NDArray[np.uint64]] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    policies: list[RaggedPolicy] = field(default_factory=list)


class Generator:
    """Steps G games, one ply a call, and hands out the finished ones.

    Everything is fixed by (`seed`, `stream`) and the weights: opening and samples of a game depend on its
    number in the stream, not on the games beside it.

    Args:
        evaluator: the network; its weights may be swapped between steps.
        settings: how games are played.
        seed: of the run.
        stream: of this generator within the run; two generators, or two lives of one, must not share it.
    """

    def __init__(self, evaluator: Evaluator, settings: GeneratorSettings, *, seed: int, stream: int) -> None:
        self.evaluator = evaluator
        self.settings = settings
        self.version = 0
        self._seed, self._stream = seed, stream
        sample_seed = int(np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        self._mover = make_mover(evaluator, settings, sample_seed)
        self.started = 0
        """Games of the stream begun so far."""
        self._games = Games(settings.games)
        self._meter = InvalidMassMeter()
        self._statistics = GeneratorStatistics()
        self.progress = [self._start(row) for row in range(settings.games)]

    def step(self) -> list[GameRecord]:
        """Play one ply in every game; return the games that ended with it, in row order.

        Raises:
            InvalidMassError: the policy that was sampled put mass on an illegal move.
        """
        started = perf_counter()
        positions, keys = self._games.positions.copy(), self._row_keys()
        before_move = perf_counter()
        moved = self._mover.move(self._games, keys)
        self.version = self.evaluator.take_version(self.version)
        before_meter = perf_counter()
        self._meter.check(moved.probabilities, positions)
        before_rules = perf_counter()
        self._games.play(moved.moves)
        outcomes = self._games.outcome(claim_draws=self.settings.claim_draws)
        after_rules = perf_counter()
        self._note(positions, moved)
        finished = self._harvest(outcomes)
        self._statistics.plies += self.settings.games
        self._statistics.moving += before_meter - before_move
        self._statistics.checking += before_rules - before_meter
        self._statistics.ruling += after_rules - before_rules
        self._statistics.entropy_total += float(moved.entropies.sum())
        self._statistics.seconds += perf_counter() - started
        return finished

    def replay(self, row: int, start: Start, moves: list[int]) -> list[NDArray[np.uint64]]:
        """Begin `row` anew from `start` and play `moves`; the positions before each of them."""
        rows, positions = np.array([row]), []
        self._games.reset(rows, start.position[None])
        for number, move in enumerate([*start.moves, *moves]):
            if number >= len(start.moves):
                positions.append(self._games.positions[row].copy())
            self._games.play(np.array([move], np.uint16), rows)
        return positions

    def take_statistics(self) -> GeneratorStatistics:
        """Statistics since the last call."""
        statistics, self._statistics = self._statistics, GeneratorStatistics()
        statistics.mass = self._meter.take()
        return statistics

    def _row_keys(self) -> NDArray[np.int64]:
        """int64 [G], one key for each (game, ply)."""
        numbers = np.array([game.number for game in self.progress], np.int64)
        return mix(numbers * 4096 + self._games.ply)

    def _note(self, positions: NDArray[np.uint64], moved: Moved) -> None:
        columns = zip(
            moved.moves.tolist(),
            moved.log_probs.tolist(),
            moved.values.tolist(),
            strict=True,
        )
        for row, (game, column) in enumerate(zip(self.progress, columns, strict=True)):
            move, log_prob, value = column
            game.positions.append(positions[row])
            game.moves.append(move)
            game.log_probs.append(log_prob)
            game.values.append(value)
            game.versions.append(self.version)
            game.policies.append(moved.policies.plies(row, row + 1))

    def _harvest(self, outcomes: NDArray[np.uint8]) -> list[GameRecord]:
        """Records of the games that just ended, by `outcomes` [G]; their rows start new ones."""
        capped = (outcomes == Termination.NONE) & (self._games.ply >= self.settings.ply_cap)
        terminations = np.where(capped, Termination.CAPPED, outcomes)
        rows = np.flatnonzero(terminations != Termination.NONE)
        if len(rows) == 0:
            return []
        ends = self._games.positions[rows]
        signs = np.where(rules.is_black(ends), -1, 1)
        balances = rules.material(ends) * signs
        finished = []
        for row, sign, balance in zip(rows.tolist(), signs.tolist(), balances.tolist(), strict=True):
            termination = Termination(int(terminations[row]))
            # The side to move is the one that was mated.
            outcome = -sign if termination == Termination.CHECKMATE else 0
            finished.append(self._record(self.progress[row], outcome, termination, balance))
            self.progress[row] = self._start(row)
        return finished

    def _start(self, row: int) -> GameInProgress:
        """Begin the stream's next game in `row`: reset it and play its opening."""
        number, self.started = self.started, self.started + 1
        state = np.random.SeedSequence([self._seed, self._stream, number]).generate_state(2, np.uint64)
        seed = int(state[0] >> np.uint64(1))
        start = draw_start(self.settings.start, seed, int(state[1]))
        self.replay(row, start, [])
        return GameInProgress(number, seed, start)

    def _record(self, game: GameInProgress, outcome: int, termination: Termination, balance: int) -> GameRecord:
        name = np.random.SeedSequence([self._seed, self._stream, game.number, 1]).generate_state(4, np.uint32)
        return GameRecord(
            game=name.tobytes().hex(),
            seed=game.seed,
            version=game.versions[-1],
            versions=np.array(game.versions, np.int32),
            start=game.start.position,
            opening=np.array(game.start.moves, np.uint16),
            positions=np.stack(game.positions),
            moves=np.array(game.moves, np.uint16),
            log_probs=np.array(game.log_probs, np.float32),
            values=np.array(game.values, np.float32),
            policies=RaggedPolicy.joined(game.policies),
            outcome=outcome,
            termination=termination,
            balance=balance,
        )
