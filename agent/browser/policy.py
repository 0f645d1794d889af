"""The masked policy of one position for the heat map, its sums, and what no mask at all would have made of it."""

from typing import Any, Final

import chess
import torch

from agent import rules, vocabulary
from agent.networks.evaluator import Evaluator
from agent.networks.meter import InvalidMassMeter
from agent.networks.policy import MaskedPolicy
from agent.networks.weights import Weights
from agent.rules import Games
from kernels import masked_softmax, unpack_legal

_SHOWN: Final = 5  # illegal moves that are named


def policy_of(board: chess.Board, weights: Weights) -> dict[str, Any]:
    """The policy as JSON. `moves`: probability of each legal move by UCI; `sans`: its SAN. `legal`, `illegal`: the sums
    over legal and illegal moves, the second by the invalid-mass meter, which derives legality again, and a third time
    by python-chess. `unmasked`: the same for a softmax over all 1,880 moves, with the illegal mass by target square
    and the most probable illegal moves. An InvalidMassError where the mask leaks."""
    positions = Games.from_boards([board]).positions
    logits = Evaluator(weights.network).evaluate(positions).logits
    packed = torch.from_numpy(rules.legal_bits(positions))
    probabilities = MaskedPolicy(logits, packed).probabilities
    illegal = InvalidMassMeter(oracle_apart=1).check(probabilities, positions)
    legal = unpack_legal(packed, vocabulary.SIZE)[0]
    black = board.turn == chess.BLACK
    ucis = [vocabulary.to_uci(move, black=black) for move in range(vocabulary.SIZE)]
    ours = probabilities[0].double()
    # No mask: every move of the vocabulary counts as legal.
    everything = masked_softmax(logits, legal=torch.ones(1, vocabulary.SIZE, dtype=torch.bool))[0].double()
    leaked = everything * ~legal
    squares = [0.0] * 64
    for move, mass in enumerate(leaked.tolist()):
        squares[chess.parse_square(ucis[move][2:4])] += mass
    worst = leaked.topk(_SHOWN)
    return {
        "moves": {ucis[move]: float(ours[move]) for move in legal.nonzero()[:, 0].tolist()},
        "sans": {move.uci(): board.san(move) for move in board.legal_moves},
        "legal": float(ours[legal].sum()),
        "illegal": illegal,
        "unmasked": {
            "legal": float((everything * legal).sum()),
            "illegal": float(leaked.sum()),
            "squares": squares,
            "worst": [[ucis[move], mass] for mass, move in zip(*(x.tolist() for x in worst), strict=True)],
        },
    }
