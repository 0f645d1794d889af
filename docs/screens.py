"""Draws the picture of the board in docs/play.md: `python -m docs.screens [WEIGHTS]`."""

import asyncio
import sys
from pathlib import Path

import chess

from agent.engine.agent import load_agent
from agent.play.level import Level
from agent.terminal.app import BoardApp
from tests.agent.terminal.screens import Screen, picture

PICTURE = Path(__file__).parent / "images" / "board-figurines.svg"


def main() -> None:
    """A short game against the agent, with a piece selected."""
    agent = load_agent(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    app = BoardApp(agent, chess.Board(), chess.WHITE, level=Level(simulations=4000), seed=1)
    screen = Screen("figurines", ("theme figurines", "e4", "Nf3", "Bc4", "d3", "O-O"), [chess.B1])
    PICTURE.write_text(asyncio.run(picture(app, screen)))


if __name__ == "__main__":
    main()
