"""What the faces import: a game with the bundled weights needs neither torch nor anything else that is slow to load."""

from pathlib import Path

import pytest

from tests.processes import run_python

HEAVY = ["torch", "triton", "ray", "aiohttp", "pandas", "resvg_py"]
FACES = {
    "uciok": ("io", ["uci"], "uci\nquit\n", "uciok", ["numba", "numpy", "pydantic", "rich", *HEAVY]),
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
    done = run_python("-c", script, folder=tmp_path, typed=lines)
    assert answer in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"
