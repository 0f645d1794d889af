"""Games on the clock between UCI engines, with python-chess as the program between them.

`python -m tests.agent.clock_game NUMBER [BASE INCREMENT]` plays game NUMBER of the match and prints one line.
"""

import contextlib
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import chess
import chess.engine

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = [sys.executable, "-m", "zeromass", "uci"]
STOCKFISH = shutil.which("stockfish") or ("/usr/games/stockfish" if Path("/usr/games/stockfish").exists() else None)
HANG = 30.0
"""Seconds past its clock after which an engine counts as hanging."""


@dataclass(frozen=True)
class Ended:
    """How a game ended."""

    result: str
    reason: str
    plies: int
    slack: tuple[float, float]
    """The least that White and Black ever had left after a move, seconds."""
    ours: bool = True
    """Whether it was our engine's turn when it ended."""

    @property
    def fault(self) -> bool:
        """Whether our engine did what it must not; what another one does under load is its own affair."""
        return self.ours and self.reason in ("time", "illegal", "hang")


Options = dict[str, str | int | bool | None]


@contextlib.contextmanager
def engine_of(command: list[str], options: Options) -> Iterator[chess.engine.SimpleEngine]:
    """A started engine, closed at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    engine = chess.engine.SimpleEngine.popen_uci(command, timeout=60, env=environment)
    try:
        engine.configure(options)
        engine.ping()
        yield engine
    finally:
        engine.close()


def play(number: int, base: float, increment: float, *, against_itself: bool, ponder: bool = False) -> Ended:
    """One game from a random opening of 4 plies; colours change with `number`."""
    chance = random.Random(number // 2)
    board = chess.Board()
    for _ in range(4):
        board.push(chance.choice(list(board.legal_moves)))
    other = OURS if against_itself or STOCKFISH is None else [STOCKFISH]
    weak: Options = {} if other is OURS else {"UCI_LimitStrength": True, "UCI_Elo": 1350}
    sides: list[tuple[list[str], Options]] = [(OURS, {}), (other, weak)]
    if number % 2:
        sides.reverse()
    with engine_of(*sides[0]) as white, engine_of(*sides[1]) as black:
        ended = _play(board, [black, white], base, increment, ponder)
    white_to_move = ended.plies % 2 == 0
    return replace(ended, ours=sides[0 if white_to_move else 1][0] is OURS)


def _play(
    board: chess.Board, engines: list[chess.engine.SimpleEngine], base: float, increment: float, ponder: bool
) -> Ended:
    clocks, slack = [base, base], [base, base]
    while not board.is_game_over(claim_draw=True) and board.ply() < 400:
        side = int(board.turn)
        limit = chess.engine.Limit(
            white_clock=clocks[1], black_clock=clocks[0], white_inc=increment, black_inc=increment
        )
        engines[side].timeout = HANG
        started = time.perf_counter()
        try:
            played = engines[side].play(board, limit, ponder=ponder)
        except TimeoutError:
            return Ended("*", "hang", board.ply(), (slack[1], slack[0]))
        except chess.engine.EngineError:
            return Ended("*", "illegal", board.ply(), (slack[1], slack[0]))
        clocks[side] -= time.perf_counter() - started
        slack[side] = min(slack[side], clocks[side])
        if clocks[side] < 0:
            return Ended("*", "time", board.ply(), (slack[1], slack[0]))
        clocks[side] += increment
        if played.move is None or not board.is_legal(played.move):
            return Ended("*", "illegal", board.ply(), (slack[1], slack[0]))
        board.push(played.move)
    outcome = board.outcome(claim_draw=True)
    reason = "cap" if outcome is None else outcome.termination.name.lower()
    return Ended("1/2-1/2" if outcome is None else outcome.result(), reason, board.ply(), (slack[1], slack[0]))


def main() -> None:
    """Play one game: two against itself, two against Stockfish, then four with pondering, and so on."""
    number = int(sys.argv[1])
    base, increment = (float(sys.argv[2]), float(sys.argv[3])) if len(sys.argv) > 3 else (10.0, 0.1)
    itself, ponder = number // 2 % 2 == 0, number // 4 % 2 == 1
    ended = play(number, base, increment, against_itself=itself, ponder=ponder)
    other = "itself" if itself else "stockfish"
    ending = f"{ended.result} {ended.reason} {ended.plies} ours={ended.ours} {min(ended.slack):.3f}"
    print(f"{number} {other} ponder={ponder} {ending}", flush=True)


if __name__ == "__main__":
    main()
