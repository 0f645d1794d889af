"""The masked policy of one position for the heat map, its sums, and what no mask at all would have made of it."""

from typing import Any

import chess
import torch

from agent import rules, vocabulary
from agent.networks.evaluator import Evaluator
from agent.networks.meter import InvalidMassMeter
from agent.networks.policy import MaskedPolicy
from agent.networks.weights import Weights
from agent.rules import Games
from kernels import masked_softmax, unpack_legal


def policy_of(board: chess.Board, weights: Weights) -> dict[str, Any]:
    """The policy as JSON. `moves`: probability of each legal move by UCI; `sans`: its SAN. `legal`, `illegal`: the sums
    over legal and illegal moves, the second by the invalid-mass meter, which derives legality again, and a third time
    by python-chess. `unmasked`: the sums for a softmax over all 1,880 moves, and its illegal `moves`. An
    InvalidMassError where the mask leaks."""
    positions = Games.from_boards([board]).positions
    logits = Evaluator(weights.network).evaluate(positions).logits
    packed = torch.from_numpy(rules.legal_bits(positions))
    ours = MaskedPolicy(logits, packed).probabilities
    everything = masked_softmax(logits, legal=torch.ones_like(logits, dtype=torch.bool))  # as if every move were legal
    legal = unpack_legal(packed, vocabulary.SIZE)
    ucis = [vocabulary.to_uci(move, black=board.turn == chess.BLACK) for move in range(vocabulary.SIZE)]

    def chosen(probabilities: torch.Tensor, those: torch.Tensor) -> dict[str, float]:
        return {ucis[move]: float(probabilities[0, move]) for move in those[0].nonzero()[:, 0].tolist()}

    moves, leaked = chosen(ours, legal), chosen(everything, ~legal)
    unmasked = {"legal": sum(chosen(everything, legal).values()), "illegal": sum(leaked.values()), "moves": leaked}
    illegal = InvalidMassMeter(oracle_apart=1).check(ours, positions)
    sans = {move.uci(): board.san(move) for move in board.legal_moves}
    return {"moves": moves, "sans": sans, "legal": sum(moves.values()), "illegal": illegal, "unmasked": unmasked}
