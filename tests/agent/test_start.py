"""What the faces import: a game with the bundled weights needs neither torch nor anything else that is slow to load."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ENVIRONMENT

HEAVY = ["torch", "triton", "ray", "aiohttp", "pandas", "resvg_py"]
FACES = {
    "uci": ("typer", ["uci"], "uci\nisready\ngo nodes 100\n", "bestmove ", [*HEAVY, "pydantic", "rich", "asyncio"]),
    # The board needs a terminal; what it and the other verbs of the agent are made of is imported beside the game.
    "play": (
        "agent.terminal.app, agent.analysis.command, agent.play.replay",
        *(["play", "--plain"], "e4\n", "2. your move:", HEAVY),
    ),
}


@pytest.mark.parametrize("face", FACES)
def test_a_game_with_the_bundled_weights_starts_without_torch(face: str, tmp_path: Path) -> None:
    beside, words, lines, answer, heavy = FACES[face]
    script = (
        f"import sys, zeromass, {beside}\nassert zeromass.main({words!r}) == 0\n"
        f"print('loaded:', [name for name in {heavy!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, input=lines, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert answer in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"
