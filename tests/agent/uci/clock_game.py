"""Games on the clock between UCI engines, with python-chess as the program between them."""

import contextlib
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import chess
import chess.engine

ROOT = Path(__file__).resolve().parents[3]
OURS = [sys.executable, "-m", "zeromass", "uci"]
STOCKFISH = shutil.which("stockfish") or ("/usr/games/stockfish" if Path("/usr/games/stockfish").exists() else None)
HANG = 30.0  # seconds past its clock after which an engine counts as hanging
NODES = 20_000  # of the other engine's moves: its use of the clock is not what is tested


@dataclass(frozen=True)
class Ended:
    """How a game ended."""

    result: str
    reason: str
    plies: int
    ours: bool  # whether it was our engine's turn when it ended
    least: float  # the least that our engine, or either of them, ever had left after a move, seconds

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
    clocks, slack = [base, base], [base, base]  # Black's, White's
    reason = ""
    with engine_of(*sides[0]) as white, engine_of(*sides[1]) as black:
        while not reason and not board.is_game_over(claim_draw=True) and board.ply() < 400:
            side, engine = int(board.turn), white if board.turn else black
            limit = chess.engine.Limit(
                white_clock=clocks[1], black_clock=clocks[0], white_inc=increment, black_inc=increment
            )
            limit.nodes = None if sides[not side][0] is OURS else NODES
            engine.timeout = HANG
            started = time.perf_counter()
            try:
                played = engine.play(board, limit, ponder=ponder)
            except (TimeoutError, chess.engine.EngineError) as error:
                reason = "hang" if isinstance(error, TimeoutError) else "illegal"
                break
            clocks[side] -= time.perf_counter() - started
            slack[side] = min(slack[side], clocks[side])
            if clocks[side] < 0:
                reason = "time"
            elif played.move is None or not board.is_legal(played.move):
                reason = "illegal"
            else:
                clocks[side] += increment
                board.push(played.move)
    outcome = None if reason else board.outcome(claim_draw=True)
    result = "*" if reason else "1/2-1/2" if outcome is None else outcome.result()
    reason = reason or ("cap" if outcome is None else outcome.termination.name.lower())
    least = min(left for left, (command, _) in zip(slack[::-1], sides, strict=True) if command is OURS)
    return Ended(result, reason, board.ply(), sides[board.ply() % 2][0] is OURS, least)
