"""`zeromass audit`: the probability of illegal moves under each way of masking, on positions of one network's games."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from agent import rules, vocabulary
from agent.errors import InputError
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.networks.registry import make_evaluator
from agent.play.saved import read_games
from kernels import invalid_mass, unpack_legal
from kernels.ops.alternatives import WAYS
from selfplay.generator import Generator
from selfplay.settings import SelfplaySettings
from training.evaluation.command import find_aloud
from training.learner import resolve_device
from training.monitoring.display import Display

OURS: Final = "kernel"
TITLES: Final = {
    OURS: "masked softmax (ours)",
    "unmasked": "no mask at all",
    "multiplied": "logits times mask",
    "sentinel_half": "sentinel of -10,000, float16",
    "renormalised": "softmax, then renormalise",
    "added_log_mask": "adding log(mask)",
}


@dataclass
class Leak:
    """Probability on illegal moves under one way of masking."""

    largest: float = 0.0
    total: float = 0.0
    positions: int = 0
    argmax_illegal: int = 0  # positions in which the most probable move was illegal
    worst: str = ""  # FEN of the position with the largest mass; empty if the mass was always zero

    @property
    def mean(self) -> float:
        """Mean mass per position."""
        return self.total / self.positions if self.positions else 0.0

    def add(self, probabilities: Tensor, legal: Tensor, positions: NDArray[np.uint64]) -> None:
        """Include [B, 1880] probabilities with legality bool [B, 1880] of packed positions."""
        mass = invalid_mass(probabilities, legal=legal).double().cpu()
        mass = torch.where(mass.isnan(), torch.inf, mass)
        row = int(mass.argmax())
        if float(mass[row]) > self.largest:
            self.largest, self.worst = float(mass[row]), rules.to_fen(positions[row])
        self.total += float(mass.sum())
        self.positions += len(positions)
        best = probabilities.argmax(-1, keepdim=True)
        self.argmax_illegal += int((~legal.gather(-1, best)).sum())


@dataclass
class Audit:
    """The leak of each way of masking, on the same positions."""

    leaks: dict[str, Leak] = field(default_factory=lambda: {name: Leak() for name in TITLES})

    @property
    def positions(self) -> int:
        """Number of positions."""
        return self.leaks[OURS].positions

    def add(self, logits: Tensor, positions: NDArray[np.uint64]) -> None:
        """Include packed positions [B, WORDS] with their logits [B, 1880]; those without a legal move are skipped."""
        packed = torch.from_numpy(rules.legal_bits(positions)).to(logits.device)
        alive = packed.ne(0).any(1)
        positions, packed, logits = positions[alive.cpu().numpy()], packed[alive], logits[alive]
        if len(positions) == 0:
            return
        legal = unpack_legal(packed, size=vocabulary.SIZE)
        self.leaks[OURS].add(MaskedPolicy(logits, packed).probabilities, legal, positions)
        for name, way in WAYS.items():
            self.leaks[name].add(way(logits, legal), legal, positions)

    def to_json(self) -> dict[str, Any]:
        """Flat: `positions`, then `<way>_max`, `<way>_mean`, `<way>_argmax_illegal` (a share) and `<way>_worst`."""
        row: dict[str, Any] = {"positions": self.positions}
        for name, leak in self.leaks.items():
            row |= {f"{name}_max": leak.largest, f"{name}_mean": leak.mean}
            row |= {f"{name}_argmax_illegal": leak.argmax_illegal / max(self.positions, 1), f"{name}_worst": leak.worst}
        return row

    def table(self) -> Table:
        """For people."""
        title = f"probability on illegal moves, {self.positions:,} positions"
        columns = "way of masking", "mean", "worst", "best move illegal", "worst position"
        table = Table(*columns, title=title, title_justify="left")
        for name, leak in self.leaks.items():
            share = leak.argmax_illegal / max(self.positions, 1)
            table.add_row(TITLES[name], f"{leak.mean:.3g}", f"{leak.largest:.3g}", f"{100 * share:.2f} %", leak.worst)
        return table


def audit_command(weights: Path | None, run: str | None, pgn: Path | None, positions: int, as_json: bool) -> int:
    """Run `zeromass audit`; the exit code: 0, or 1 if the masked softmax leaked. For `weights` and `run` see
    `find_weights`. Positions come from the games in `pgn`, else from self-play. An InputError where weights or PGN are
    missing, damaged or empty."""
    display = Display(Console(stderr=True, highlight=False, soft_wrap=True))
    network = find_aloud(weights, run, display, "auditing").network
    evaluator = make_evaluator(network, resolve_device("auto"))
    source = positions_of_pgn(pgn, display.say) if pgn is not None else positions_of_selfplay(evaluator)
    with display.counting(f"auditing {positions:,} positions", positions) as advance:
        audit = run_audit(evaluator, source, positions, advance)
    if audit.positions == 0:
        raise InputError(f"'{pgn}' holds no position with a legal move; name a PGN file with games")
    if as_json:
        print(json.dumps(audit.to_json()))
    else:
        Console(highlight=False).print(audit.table())
    return 0 if audit.leaks[OURS].largest == 0.0 else 1


def run_audit(
    evaluator: Evaluator, source: Iterator[NDArray[np.uint64]], positions: int, advance: Callable[[int], None]
) -> Audit:
    """Audit at most `positions` positions of `source`, which yields packed batches."""
    audit = Audit()
    for batch in source:
        before = audit.positions
        wanted = batch[: positions - before]
        audit.add(evaluator.evaluate(wanted).logits, wanted)
        advance(audit.positions - before)
        if audit.positions >= positions:
            break
    return audit


def positions_of_selfplay(evaluator: Evaluator, seed: int = 0) -> Iterator[NDArray[np.uint64]]:
    """Positions of self-play games, as in training."""
    generator = Generator(evaluator, SelfplaySettings(games=64, ply_cap=160), seed=seed, stream=0)
    while True:
        for record in generator.step():
            yield record.positions


def positions_of_pgn(path: Path, say: Callable[[str], None]) -> Iterator[NDArray[np.uint64]]:
    """Positions before each move of the games in a PGN file, game by game; see `read_games`."""
    for game in read_games(path, say):
        board, positions = game.board(), []
        for move in game.mainline_moves():
            positions.append(rules.from_board(board))
            board.push(move)
        if positions:
            yield np.stack(positions)
