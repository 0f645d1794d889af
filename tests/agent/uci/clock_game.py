"""Games on the clock between UCI engines, with python-chess as the program between them.

`python -m tests.agent.uci.clock_game LOG [GAMES]` plays those of the match's games (200) that LOG lacks, one after the
other, and adds a line to it for each. It may be interrupted at any moment.
"""

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
HANG = 30.0
"""Seconds past its clock after which an engine counts as hanging."""
GAMES = 200
BASE, INCREMENT = 10.0, 0.1
NODES = 20_000
"""Of the other engine's moves: its use of the clock is not what is tested."""


@dataclass(frozen=True)
class Ended:
    """How a game ended."""

    result: str
    reason: str
    plies: int
    ours: bool
    """Whether it was our engine's turn when it ended."""
    longest: str
    """Our move that took the largest share of its clock: how long, of how much, what the host stole meanwhile."""
    least: float
    """The least that our engine, or either of them, ever had left after a move, seconds."""

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
    share, longest, reason = 0.0, "", ""
    with engine_of(*sides[0]) as white, engine_of(*sides[1]) as black:
        while not reason and not board.is_game_over(claim_draw=True) and board.ply() < 400:
            side, engine = int(board.turn), white if board.turn else black
            ours = sides[not side][0] is OURS
            limit = chess.engine.Limit(
                white_clock=clocks[1], black_clock=clocks[0], white_inc=increment, black_inc=increment
            )
            limit.nodes = None if ours else NODES
            engine.timeout = HANG
            before, stolen, started = clocks[side], _stolen(), time.perf_counter()
            try:
                played = engine.play(board, limit, ponder=ponder)
            except (TimeoutError, chess.engine.EngineError) as error:
                reason = "hang" if isinstance(error, TimeoutError) else "illegal"
                break
            took = time.perf_counter() - started
            clocks[side] -= took
            if ours and took / before > share:
                share = took / before
                longest = f"longest {took:.3f} of {before:.3f} at ply {board.ply()}, stolen {_stolen() - stolen:.2f}"
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
    ours = sides[board.ply() % 2][0] is OURS
    return Ended(result, reason, board.ply(), ours, longest, least)


def _stolen() -> float:
    """Seconds of processor time that the host of a virtual machine gave to others, all processors together."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / 100
    return 0.0


def kind(number: int) -> tuple[bool, bool]:
    """Whether game `number` is against itself and whether both ponder: every four games, every mixture twice."""
    return number // 2 % 2 == 0, number // 4 % 2 == 1


def match(log: Path, games: int = GAMES) -> list[str]:
    """Play the games that `log` lacks; returns all its lines."""
    lines = log.read_text().splitlines() if log.exists() else []
    played = {int(line.split()[0]) for line in lines}
    for number in range(games):
        if number not in played:
            itself, ponder = kind(number)
            started = time.monotonic()
            ended = play(number, BASE, INCREMENT, against_itself=itself, ponder=ponder)
            lines.append(
                f"{number} {'itself' if itself else 'other'} {'ponder' if ponder else 'plain'} {ended.result} "
                f"{ended.reason} {'FAULT' if ended.fault else 'fine'} plies {ended.plies} least {ended.least:.3f} "
                f"{ended.longest} took {time.monotonic() - started:.0f}"
            )
            with log.open("a") as file:
                file.write(f"{lines[-1]}\n")
    return lines


if __name__ == "__main__":
    match(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else GAMES)
