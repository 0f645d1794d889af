"""Draws the pictures of the README and the docs with today's program: `python -m docs.pictures [FOLDER]`. FOLDER is
docs/images by default. What is drawn is played and measured with the bundled weights: a game on the board in the
terminal, the policy on one position, an audit of 20,000 positions; docs/ladders is drawn anew. Not drawn
are the PNG files, photographs of a browser, and the sick runs, which were drawn once."""

import asyncio
import sys
from pathlib import Path

import chess
import chess.svg
import torch

from agent import drawing, rules, vocabulary
from agent.engine.agent import load_agent
from agent.networks.bundled import find_weights
from agent.networks.evaluator import Evaluator
from agent.networks.policy import MaskedPolicy
from agent.networks.registry import make_evaluator
from agent.play.level import Level
from agent.terminal.app import BoardApp
from agent.terminal.view import BoardSession
from docs import ladders
from tests.agent.terminal.screens import Screen, picture
from training.evaluation.audit import OURS, TITLES, Audit, positions_of_selfplay, run_audit
from training.monitoring.pictures.game import likeliest

DOCS = Path(__file__).parent
FEN = "r1bqkbnr/pppp1ppp/2n5/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 3 3"
GAME = Screen("figurines", ("theme figurines", "e4", "d4", "Nc3", "Nf3", "Bd3"), [chess.F3])
"""What a person types, and the piece then clicked."""


def board() -> str:
    """A short game against the agent."""
    session = BoardSession(load_agent(), chess.Board(), chess.WHITE, level=Level(simulations=4000), seed=1)
    return asyncio.run(picture(BoardApp(session), GAME))


def arrows(evaluator: Evaluator, count: int = 8) -> list[chess.svg.Arrow]:
    """The most probable moves in `FEN`, more opaque the more probable they are."""
    position = rules.from_fen(FEN)[None]
    policy = MaskedPolicy(evaluator.evaluate(position).logits, torch.from_numpy(rules.legal_bits(position)))
    top = likeliest(policy.probabilities[0].numpy(), count)
    moves = [(chess.Move.from_uci(vocabulary.to_uci(move, black=True)), share / top[0][1]) for move, share in top]
    return [drawing.arrow(move, drawing.BLUE, int(60 + 190 * share)) for move, share in moves]


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


def main(folder: Path = DOCS / "images") -> None:
    """Draw and write."""
    (folder / "board-figurines.svg").write_text(board())
    evaluator = make_evaluator(find_weights().weights.network)
    audit = run_audit(evaluator, positions_of_selfplay(evaluator), 20_000, lambda done: None)
    position = drawing.board_at(10, 10, 380, chess.Board(FEN), arrows(evaluator), flipped=True)
    (folder / "zeromass.svg").write_text(drawing.document(940, 400, position + bars(audit, 425, 10)))
    (folder / "leak.svg").write_text(drawing.document(560, 380, bars(audit, 20, 5)))
    ladders.main(folder / "ladder.svg", {f"seed {seed}": DOCS / "ladders" / f"seed{seed}" for seed in (1, 2)})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
