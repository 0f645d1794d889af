"""Draws `zeromass.svg` and `leak.svg` of the README and the docs: `python docs/pictures.py [RUN]`.

It measures what it draws: the policy of RUN's newest checkpoint (default: the bundled weights) on one position, and an
audit of 20,000 positions.
"""

import sys
from pathlib import Path

import chess
import chess.svg
import torch

from agent import drawing, rules, vocabulary
from agent.networks.bundled import find_weights
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.networks.registry import make_evaluator
from training.evaluation.audit import OURS, TITLES, Audit, positions_of_selfplay, run_audit

IMAGES = Path(__file__).parent / "images"
FEN = "r1bqkbnr/pppp1ppp/2n5/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 3 3"


def arrows(evaluator: Evaluator, count: int = 8) -> list[chess.svg.Arrow]:
    """The most probable moves in `FEN`, more opaque the more probable they are."""
    position = rules.from_fen(FEN)[None]
    policy = MaskedPolicy(evaluator.evaluate(position).logits, torch.from_numpy(rules.legal_bits(position)))
    top = policy.probabilities[0].topk(count)
    drawn = []
    for probability, move in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        if probability > 0:
            uci = chess.Move.from_uci(vocabulary.to_uci(move, black=True))
            opacity = int(60 + 190 * probability / top.values[0].item())
            drawn.append(chess.svg.Arrow(uci.from_square, uci.to_square, color=f"{drawing.BLUE}{opacity:02x}"))
    return drawn


def bars(audit: Audit, x: float, y: float) -> str:
    """The largest mass of each way of masking as horizontal bars."""
    title = f"Probability on illegal moves, {audit.positions:,} self-play positions"
    parts = [drawing.text(x, y + 28, title, 15, bold=True)]
    for number, name in enumerate([*(name for name in TITLES if name != OURS), OURS]):
        leak, top = audit.leaks[name], y + 66 + 50 * number
        colour = "#d1242f" if leak.largest > 0 else "#1a7f37"
        length = max(2.0, 290 * leak.largest)
        figures = f"{100 * leak.largest:.1f} % worst, {100 * leak.mean:.1f} % mean" if leak.largest else "exactly 0.0"
        parts.append(drawing.text(x, top, TITLES[name], fill="#57606a"))
        parts.append(drawing.rectangle(x, top + 6, length, 16, colour, 'rx="3"'))
        parts.append(drawing.text(x + length + 8, top + 19, figures, 13, fill=colour))
    return "".join(parts)


def main(run: str | None) -> None:
    """Draw and write."""
    evaluator = make_evaluator(find_weights(run=run).weights.network)
    audit = run_audit(evaluator, positions_of_selfplay(evaluator), 20_000, lambda done: None)
    board = drawing.board_at(10, 10, 380, chess.Board(FEN), arrows(evaluator), flipped=True)
    (IMAGES / "zeromass.svg").write_text(drawing.document(940, 400, board + bars(audit, 425, 10)))
    (IMAGES / "leak.svg").write_text(drawing.document(560, 380, bars(audit, 20, 5)))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
