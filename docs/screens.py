"""Draws the pictures of the board: `python -m docs.screens [WEIGHTS]`, as the tests do, but with the real agent."""

import asyncio
import sys
from pathlib import Path

import chess

from agent.engine.agent import load_agent
from agent.play.level import Level
from agent.terminal.app import BoardApp
from tests.agent.terminal.screens import Screen, picture

IMAGES = Path(__file__).parent / "images"
MOVES = ("e4", "Nf3", "Bc4", "d3", "O-O")


def main() -> None:
    """The same game in two themes, each with a piece taken up."""
    agent = load_agent(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    for theme in ("figurines", "colour-blind"):
        app = BoardApp(agent, chess.Board(), chess.WHITE, level=Level(simulations=4000), seed=1)
        screen = Screen(theme, (f"theme {theme}", *MOVES), [chess.B1])
        (IMAGES / f"board-{theme}.svg").write_text(asyncio.run(picture(app, screen)))


if __name__ == "__main__":
    main()
