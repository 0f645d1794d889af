"""Draws the pictures of the README and the docs from a run: `python docs/pictures.py runs/NAME`.

Everything drawn is measured here: the policy's own probabilities on one position, and the audit's figures.
"""

import argparse
import json
import re
from pathlib import Path

import chess
import chess.svg
import torch

from agent import rules, vocabulary
from agent.networks.bundled import find_weights
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.networks.registry import make_evaluator
from training.evaluation.audit import OURS, TITLES, Audit, positions_of_selfplay, run_audit

IMAGES = Path(__file__).parent / "images"
FEN = "r1bqkbnr/pppp1ppp/2n5/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 3 3"
STYLE = 'font-family="Helvetica,Arial,sans-serif"'


def board(evaluator: Evaluator, fen: str, arrows: int = 8) -> str:
    """A board with the policy's likeliest moves as arrows, the likelier the stronger."""
    position = rules.from_fen(fen)[None]
    black = bool(rules.is_black(position)[0])
    policy = MaskedPolicy(evaluator.evaluate(position).logits, torch.from_numpy(rules.legal_bits(position)))
    probabilities = policy.probabilities[0]
    top = probabilities.topk(arrows)
    drawn = []
    for probability, move in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        if probability > 0:
            uci = chess.Move.from_uci(vocabulary.to_uci(move, black=black))
            strength = int(60 + 190 * probability / top.values[0].item())
            drawn.append(chess.svg.Arrow(uci.from_square, uci.to_square, color=f"#1f6feb{strength:02x}"))
    return chess.svg.board(chess.Board(fen), arrows=drawn, size=380, flipped=black)


def bars(audit: Audit, width: int = 470) -> str:
    """The worst mass of each way of masking as horizontal bars."""
    rows = []
    order = ["unmasked", "multiplied", "sentinel_half", "renormalised", "added_log_mask", OURS]
    for number, name in enumerate(order):
        leak, y = audit.leaks[name], 66 + 50 * number
        colour = "#d1242f" if leak.largest > 0 else "#1a7f37"
        length = max(2.0, 0.62 * width * leak.largest)
        figure = f"{100 * leak.largest:.1f} % worst, {100 * leak.mean:.1f} % mean" if leak.largest else "exactly 0.0"
        rows.append(
            f'<text x="0" y="{y}" font-size="14" fill="#57606a" {STYLE}>{TITLES[name]}</text>'
            f'<rect x="0" y="{y + 6}" width="{length:.1f}" height="16" rx="3" fill="{colour}"/>'
            f'<text x="{length + 8:.1f}" y="{y + 19}" font-size="13" fill="{colour}" {STYLE}>{figure}</text>'
        )
    title = f"Probability on illegal moves, {audit.positions:,} self-play positions"
    head = f'<text x="0" y="28" font-size="15" font-weight="bold" fill="#24292f" {STYLE}>{title}</text>'
    return head + "".join(rows)


def svg(width: int, height: int, body: str) -> str:
    """A whole document on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<rect width="{width}" height="{height}" fill="white"/>{body}</svg>\n'
    )


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="run folder whose newest checkpoint is drawn")
    parser.add_argument("--positions", type=int, default=20_000)
    arguments = parser.parse_args()
    evaluator = make_evaluator(find_weights(run=arguments.run).weights.network)
    audit = run_audit(evaluator, positions_of_selfplay(evaluator), arguments.positions, lambda done: None)
    IMAGES.mkdir(exist_ok=True)
    left = re.sub(r"<svg ", '<svg x="10" y="10" ', board(evaluator, FEN), count=1)
    (IMAGES / "zeromass.svg").write_text(svg(940, 400, left + f'<g transform="translate(425,10)">{bars(audit)}</g>'))
    (IMAGES / "leak.svg").write_text(svg(560, 380, f'<g transform="translate(20,5)">{bars(audit)}</g>'))
    (IMAGES / "audit.json").write_text(json.dumps(audit.to_json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
