"""Draws the screenshots of the board: `python docs/screens.py [WEIGHTS]`. Textual's pilot plays, Textual draws SVG."""

import asyncio
import sys
from pathlib import Path

import chess

from agent.board.app import BoardApp
from agent.board.squares import Squares
from agent.opponent import load_opponent
from agent.play.level import Level

IMAGES = Path(__file__).parent / "images"
MOVES = ["e4", "Nf3", "Bc4", "d3", "O-O"]


async def draw() -> None:
    """A few moves against the agent, in two themes."""
    opponent = load_opponent(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    app = BoardApp(opponent, chess.Board(), chess.WHITE, level=Level(simulations=4000), seed=1)
    async with app.run_test(size=(126, 36)) as pilot:
        for number, san in enumerate(MOVES, 1):
            if san in {app.session.board.san(move) for move in app.session.board.legal_moves}:
                app.action_say(san)
                while len(app.session.game.notes) < 2 * number and not app.session.game.over:
                    await pilot.pause(0.05)
        squares = app.query_one(Squares)
        for theme in ("figurines", "colour-blind"):
            app.action_say(f"theme {theme}")
            await pilot.click(squares, offset=squares.offset_of(chess.B1))
            await pilot.pause(0.2)
            (IMAGES / f"board-{theme}.svg").write_text(app.export_screenshot(title="zeromass play"))


if __name__ == "__main__":
    asyncio.run(draw())
