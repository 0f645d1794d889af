"""Evaluators for tests: compiled material as a batched one, which may lie, and an untrained network."""

import numpy as np
import torch
from numpy.typing import NDArray

from agent.networks.contract import LeafEvaluator, LegalEvaluation
from agent.networks.evaluator import Evaluator
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.search.compiled import evaluate_material


class MaterialLeaves(LeafEvaluator):
    """`evaluate_material` behind the batched interface; rows may be spoilt for tests.

    After the first answer, the root's, policies are those at `temperature`."""

    def __init__(
        self, *, spoil_logit: float | None = None, spoil_value: float | None = None, temperature: float = 1.0
    ) -> None:
        self.spoil_logit, self.spoil_value, self.temperature = spoil_logit, spoil_value, temperature
        self.batches: list[int] = []

    def evaluate_legal(
        self, positions: NDArray[np.uint64], moves: NDArray[np.uint16], counts: NDArray[np.int32]
    ) -> LegalEvaluation:
        self.batches.append(len(positions))
        logits = np.full((len(positions), int(counts.max())), np.nan, np.float32)  # past the moves: rubbish
        values = np.zeros(len(positions), np.float32)
        for row, count in enumerate(counts.tolist()):
            values[row] = evaluate_material(positions[row], moves[row], count, 0, 0, logits[row])
        if len(self.batches) > 1:
            logits /= np.float32(self.temperature)
        if self.spoil_logit is not None and len(self.batches) == 3:
            logits[-1, counts[-1] // 2] = self.spoil_logit
        if self.spoil_value is not None and len(self.batches) == 3:
            values[-1] = self.spoil_value
        return LegalEvaluation(logits, values)


def untrained(seed: int = 0) -> Evaluator:
    torch.manual_seed(seed)
    return Evaluator(ResidualNetwork(ResidualArchitecture(blocks=1, channels=8)))
