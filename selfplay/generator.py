"""Plays many games in lock-step. Plain Python: no Ray, one ply a call. Shapes: G games side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent import rules
from agent.networks.evaluator import Evaluator
from agent.networks.meter import InvalidMassMeter, MassReading
from agent.rules import Games, Termination
from kernels.splitmix import mix
from selfplay.openings import random_opening
from selfplay.record import GameRecord, RaggedPolicy
from selfplay.selection import SelectedMoves, make_selector
from selfplay.settings import SelfplaySettings

_COLUMNS: Final = {"moves": np.uint16, "log_probs": np.float64, "values": np.float64, "versions": np.int64}
"""Of a saved game in progress, one entry a ply; wide enough to restore its Python numbers exactly."""
_NO_POLICY: Final = RaggedPolicy.empty(1)  # of a ply that is played without search


@dataclass
class GeneratorStatistics:
    """What happened since the statistics were last taken."""

    plies: int = 0
    entropy_total: float = 0.0
    mass: MassReading = field(default_factory=MassReading)


@dataclass
class GameInProgress:
    """The rows of a record while its game is played."""

    number: int  # in its stream
    seed: int
    opening: list[int]
    positions: list[NDArray[np.uint64]] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    policies: list[RaggedPolicy] = field(default_factory=list)

    def record(self, name: str, outcome: int, termination: Termination, balance: int) -> GameRecord:
        """The finished game."""
        return GameRecord(
            game=name,
            seed=self.seed,
            version=self.versions[-1],
            versions=np.array(self.versions, np.int32),
            start=rules.start(1)[0],
            opening=np.array(self.opening, np.uint16),
            positions=np.stack(self.positions),
            moves=np.array(self.moves, np.uint16),
            log_probs=np.array(self.log_probs, np.float32),
            values=np.array(self.values, np.float32),
            policies=RaggedPolicy.joined(self.policies),
            outcome=outcome,
            termination=termination,
            balance=balance,
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """As arrays by name. Positions are left out: playing the moves again gives them."""
        return {
            "facts": np.array([self.number, self.seed], np.int64),
            "opening": np.array(self.opening, np.uint16),
            **vars(RaggedPolicy.joined(self.policies)),  # offsets, indices, probabilities
            **{name: np.array(getattr(self, name), dtype) for name, dtype in _COLUMNS.items()},
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> "GameInProgress":
        """The game of a saved `state`, without its positions."""
        number, seed = arrays["facts"].tolist()
        policies = RaggedPolicy(*(np.array(arrays[name]) for name in ("offsets", "indices", "probabilities")))
        columns = {name: arrays[name].tolist() for name in _COLUMNS}
        split = [policies.plies(ply, ply + 1) for ply in range(len(policies))]
        return cls(number, seed, arrays["opening"].tolist(), policies=split, **columns)


class Generator:
    """Steps G games, one ply a call, and returns the finished ones. Everything is fixed by (`seed`, `stream`) and the
    weights: opening and samples of a game depend on its number in the stream, not on the games beside it. `seed` is the
    run's; no two generators of a run may share a stream. The evaluator's weights may be swapped between steps."""

    def __init__(self, evaluator: Evaluator, settings: SelfplaySettings, *, seed: int, stream: int) -> None:
        self.evaluator = evaluator
        self.version = 0  # of the weights
        self._settings, self._seed, self._stream = settings, seed, stream
        sample_seed = int(np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        self._select = make_selector(evaluator, settings, sample_seed)
        self._started = 0  # games of the stream begun so far
        self._games = Games(settings.games)
        self._meter, self._statistics = InvalidMassMeter(), GeneratorStatistics()
        self._progress = [self._start(row) for row in range(settings.games)]

    def step(self) -> list[GameRecord]:
        """Play one ply in every game; return the games that ended with it, in row order. An InvalidMassError where the
        policy that was sampled put mass on an illegal move."""
        positions = self._games.positions.copy()
        numbers = np.array([game.number for game in self._progress], np.int64)
        keys = mix(numbers * 4096 + self._games.ply)  # [G], one for each (game, ply)
        selected = self._select(self._games, keys)
        self._meter.check(selected.probabilities, positions)
        self._games.play(selected.moves)
        outcomes = self._games.outcome(claim_draws=True)
        self._note(positions, selected)
        finished = self._harvest(outcomes)
        self._statistics.plies += len(positions)
        self._statistics.entropy_total += float(selected.entropies.sum())
        return finished

    def __iter__(self) -> Iterator[GameRecord]:
        """Games without end, in the order in which they end."""
        while True:
            yield from self.step()

    def take_statistics(self) -> GeneratorStatistics:
        """Statistics since the last call."""
        taken, self._statistics = self._statistics, GeneratorStatistics()
        taken.mass = self._meter.take()
        return taken

    def state(self) -> dict[str, NDArray[Any]]:
        """All that a generator of the same settings, seed and stream needs to go on move for move, but its weights."""
        arrays = {"started": np.array([self._started, self.version], np.int64)}
        for row, game in enumerate(self._progress):
            arrays |= {f"{row}.{name}": array for name, array in game.state().items()}
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Take over a saved state; False: it has another number of games. Any exception where it is damaged."""
        rows = len(self._progress)
        if f"{rows - 1}.facts" not in arrays or f"{rows}.facts" in arrays:
            return False
        self._started, self.version = arrays["started"].tolist()
        for row in range(rows):
            own = {name.removeprefix(f"{row}."): a for name, a in arrays.items() if name.startswith(f"{row}.")}
            game = self._progress[row] = GameInProgress.restored(own)
            game.positions = self._begin(row, game.opening, game.moves)
            if game.moves:
                game.record("0" * 32, 0, Termination.TRUNCATED, 0).check()
        return True

    def _note(self, positions: NDArray[np.uint64], selected: SelectedMoves) -> None:
        searched = len(selected.policies.indices) > 0
        columns = zip(selected.moves.tolist(), selected.log_probs.tolist(), selected.values.tolist(), strict=True)
        for row, (game, (move, log_prob, value)) in enumerate(zip(self._progress, columns, strict=True)):
            game.positions.append(positions[row])
            game.moves.append(move)
            game.log_probs.append(log_prob)
            game.values.append(value)
            game.versions.append(self.version)
            game.policies.append(selected.policies.plies(row, row + 1) if searched else _NO_POLICY)

    def _harvest(self, outcomes: NDArray[np.uint8]) -> list[GameRecord]:
        """Records of the games that just ended, by `outcomes` [G]; their rows start new ones."""
        truncated = (outcomes == Termination.NONE) & (self._games.ply >= self._settings.ply_cap)
        terminations = np.where(truncated, Termination.TRUNCATED, outcomes)
        rows = np.flatnonzero(terminations != Termination.NONE)
        if len(rows) == 0:
            return []
        ends = self._games.positions[rows]
        signs = np.where(rules.is_black(ends), -1, 1)
        balances = rules.material(ends) * signs
        finished = []
        for row, sign, balance in zip(rows.tolist(), signs.tolist(), balances.tolist(), strict=True):
            game, termination = self._progress[row], Termination(int(terminations[row]))
            name = np.random.SeedSequence([self._seed, self._stream, game.number, 1]).generate_state(4, np.uint32)
            # The side to move is the one that was mated.
            outcome = -sign if termination == Termination.CHECKMATE else 0
            finished.append(game.record(name.tobytes().hex(), outcome, termination, balance))
            self._progress[row] = self._start(row)
        return finished

    def _start(self, row: int) -> GameInProgress:
        """Begin the stream's next game in `row`: reset it and play its opening."""
        number, self._started = self._started, self._started + 1
        state = np.random.SeedSequence([self._seed, self._stream, number]).generate_state(2, np.uint64)
        seed = int(state[0] >> np.uint64(1))
        opening = random_opening(seed, int(state[1]) % (self._settings.opening_plies + 1))
        self._begin(row, opening, [])
        return GameInProgress(number, seed, opening)

    def _begin(self, row: int, opening: list[int], moves: list[int]) -> list[NDArray[np.uint64]]:
        """Reset `row`, play the opening and then `moves`; the positions before each of these."""
        rows, positions = np.array([row]), []
        self._games.reset(rows)
        for number, move in enumerate([*opening, *moves]):
            if number >= len(opening):
                positions.append(self._games.positions[row].copy())
            self._games.play(np.array([move], np.uint16), rows)
        return positions
