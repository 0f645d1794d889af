"""Evaluators for tests: compiled material as a batched one, and ones that lie."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agent.compilation import njit
from agent.networks.contract import LeafEvaluator, LegalEvaluation
from agent.networks.evaluator import Evaluator
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.search.compiled import evaluate_material


@njit
def evaluate_losing(
    _position: Any, _moves: Any, count: Any, _parameters: Any, _scratch: Any, logits: Any
) -> np.float32:
    """Every position is somewhat lost, every move as good as any other."""
    logits[:count] = 0
    return np.float32(-0.25)


class MaterialLeaves(LeafEvaluator):
    """`evaluate_material` behind the batched interface; rows may be spoilt for tests."""

    def __init__(self, *, spoil_logit: float | None = None, spoil_value: float | None = None) -> None:
        self.spoil_logit, self.spoil_value = spoil_logit, spoil_value
        self.batches: list[int] = []

    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        self.batches.append(len(positions))
        logits = np.full((len(positions), int(counts.max())), np.nan, np.float32)  # past the moves: rubbish
        values = np.zeros(len(positions), np.float32)
        for row, count in enumerate(counts.tolist()):
            values[row] = evaluate_material(positions[row], moves[row], count, 0, 0, logits[row])
        if self.spoil_logit is not None and len(self.batches) == 3:
            logits[-1, counts[-1] // 2] = self.spoil_logit
        if self.spoil_value is not None and len(self.batches) == 3:
            values[-1] = self.spoil_value
        return LegalEvaluation(logits, values)


def untrained(seed: int = 0) -> Evaluator:
    torch.manual_seed(seed)
    return Evaluator(ResidualNetwork(ResidualArchitecture(blocks=1, channels=8)))
