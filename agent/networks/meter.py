"""The invalid-mass meter: how much probability illegal moves got, measured without trusting the mask. Legality is
derived again from the packed positions; on a sample of rows python-chess derives it a third time. So a leak shows
whether the mask, its packing, or the rules are at fault."""

from dataclasses import dataclass, field
from typing import NamedTuple

import chess
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import rules, vocabulary
from agent.networks.network import sent
from kernels import invalid_mass


class InvalidMassError(RuntimeError):
    """Some illegal move had probability above 0; names the position, the move and the mass. Never to be ignored."""


@dataclass
class MassReading:
    """Running maximum, mean and count of the invalid mass over many distributions."""

    largest: float = 0.0
    total: float = 0.0
    distributions: int = 0

    @property
    def mean(self) -> float:
        """Mean invalid mass a distribution; 0 before the first."""
        return self.total / self.distributions if self.distributions else 0.0

    def add(self, other: "MassReading") -> None:
        """Include another reading."""
        self.largest = max(self.largest, other.largest)
        self.total += other.total
        self.distributions += other.distributions


class Measured(NamedTuple):
    """What a meter found on B distributions, on their device."""

    figures: tuple[Tensor, Tensor]  # float64, the largest mass and the sum
    mass: Tensor  # float64 [B]
    probabilities: Tensor
    positions: NDArray[np.uint64]
    indices: Tensor | None


@dataclass
class InvalidMassMeter:
    """Checks every distribution that was sampled or trained. On `oracle_rows` rows of a batch python-chess derives
    legality too, once `oracle_apart` distributions have come since the last such batch: it is slow."""

    oracle_rows: int = 1
    oracle_apart: int = 256
    reading: MassReading = field(default_factory=MassReading)
    _batches: int = 0
    _unseen: int | None = None  # distributions since python-chess looked last; None: it never did

    def check(self, probabilities: Tensor, positions: NDArray[np.uint64], *, indices: Tensor | None = None) -> float:
        """The largest mass on illegal moves of packed positions uint64 [B, WORDS]: 0.0, else an InvalidMassError.
        `probabilities` are [B, 1880]; a column more holds mass that stands on no move at all, and is as illegal. Or
        they are [B, N], and `indices` int64 [B, N] the move of each, 1880 for none."""
        if len(positions) == 0:
            return 0.0
        measured = self.measure(probabilities, positions, indices=indices)
        return self.judge(measured, *torch.stack(measured.figures).tolist())

    def measure(
        self, probabilities: Tensor, positions: NDArray[np.uint64], *, indices: Tensor | None = None
    ) -> "Measured":
        """The first half of `check`, for B above 0: it waits for no GPU."""
        probabilities = probabilities.detach()
        legal = sent(rules.legal_bits(positions), probabilities.device)
        if indices is None:
            outside = probabilities[:, vocabulary.SIZE :].abs().sum(1).double()
            mass = invalid_mass(probabilities[:, : vocabulary.SIZE], legal=legal).double() + outside
        else:
            # Spare bits, that of move 1880 among them, are 0. Chosen, not multiplied: 0 * NaN would be NaN.
            has = ((legal.gather(1, indices >> 5) >> (indices & 31)) & 1).bool()
            mass = torch.where(has, 0.0, probabilities.float().abs()).sum(1).double()
        for row in self._rows_for_oracle(len(positions)):
            by_python_chess = sent(legal_by_python_chess(positions[row]).numpy(), probabilities.device)[None]
            again = invalid_mass(_dense(probabilities, indices, row)[None], legal=by_python_chess).double()[0]
            mass[row] = torch.maximum(mass[row], again)
        return Measured((mass.max(), mass.sum()), mass, probabilities, positions, indices)

    def judge(self, measured: "Measured", largest: float, total: float) -> float:
        """The second half of `check`: its `figures`, read, are `largest` and `total`; NaN stays NaN."""
        positions = measured.positions
        self.reading.add(MassReading(largest, total, len(positions)))
        if largest != 0.0:
            mass = measured.mass.cpu()
            worst = int(torch.where(mass.isnan(), torch.inf, mass).argmax())
            row_probabilities = _dense(measured.probabilities, measured.indices, worst)
            raise InvalidMassError(_describe(row_probabilities, positions[worst], float(mass[worst])))
        return largest

    def take(self) -> MassReading:
        """The reading since the last `take`."""
        reading, self.reading = self.reading, MassReading()
        return reading

    def _rows_for_oracle(self, batch: int) -> list[int]:
        """Rows that move through the batch from look to look."""
        unseen = self.oracle_apart if self._unseen is None else self._unseen + batch
        self._unseen = unseen if unseen < self.oracle_apart else 0
        if self._unseen:
            return []
        self._batches += 1
        return sorted({(self._batches * 7919 + offset) % batch for offset in range(self.oracle_rows)})


def _dense(probabilities: Tensor, indices: Tensor | None, row: int) -> Tensor:
    """[1880] probabilities of one row's moves."""
    if indices is None:
        return probabilities[row, : vocabulary.SIZE]
    room = probabilities.new_zeros(vocabulary.SIZE + 1)
    return room.scatter_add(0, indices[row], probabilities[row])[: vocabulary.SIZE]


def legal_by_python_chess(position: NDArray[np.uint64]) -> Tensor:
    """bool [1880] legality of one packed position, by python-chess alone."""
    board = rules.to_board(position)
    legal = torch.zeros(vocabulary.SIZE, dtype=torch.bool)
    for move in board.legal_moves:
        legal[vocabulary.from_uci(move.uci(), black=board.turn == chess.BLACK)] = True
    return legal


def _describe(probabilities: Tensor, position: NDArray[np.uint64], mass: float) -> str:
    illegal = torch.where(legal_by_python_chess(position), 0.0, probabilities.detach().float().cpu())
    move = int(torch.where(illegal.isnan(), torch.inf, illegal.abs()).argmax())
    board = rules.to_board(position)
    uci = vocabulary.to_uci(move, black=board.turn == chess.BLACK)
    leak = f"illegal move {uci} has probability {float(illegal[move]):.3g}"
    return f"invalid mass {mass:.3g} in position '{board.fen()}': {leak}; the mask is broken, so the run stops"
