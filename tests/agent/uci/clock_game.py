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
from dataclasses import dataclass, replace
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
    slack: tuple[float, float]
    """The least that White and Black ever had left after a move, seconds."""
    ours: bool = True
    """Whether it was our engine's turn when it ended."""
    longest: str = ""
    """Our move that took the largest share of its clock: how long, of how much, what the host stole meanwhile."""
    least: float = 0.0
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
    with engine_of(*sides[0]) as white, engine_of(*sides[1]) as black:
        nodes = [None if command is OURS else NODES for command, _ in sides[::-1]]
        ended = _play(board, [black, white], nodes, base, increment, ponder)
    mover = sides[ended.plies % 2][0]
    least = min(left for left, (command, _) in zip(ended.slack, sides, strict=True) if command is OURS)
    return replace(ended, ours=mover is OURS, least=least)


def _play(
    board: chess.Board,
    engines: list[chess.engine.SimpleEngine],
    nodes: list[int | None],
    base: float,
    increment: float,
    ponder: bool,
) -> Ended:
    clocks, slack = [base, base], [base, base]
    share, longest = 0.0, ""
    while not board.is_game_over(claim_draw=True) and board.ply() < 400:
        side = int(board.turn)
        limit = chess.engine.Limit(
            white_clock=clocks[1], black_clock=clocks[0], white_inc=increment, black_inc=increment, nodes=nodes[side]
        )
        engines[side].timeout = HANG
        before, stolen = clocks[side], _stolen()
        started = time.perf_counter()
        try:
            played = engines[side].play(board, limit, ponder=ponder)
        except (TimeoutError, chess.engine.EngineError) as error:
            reason = "hang" if isinstance(error, TimeoutError) else "illegal"
            return Ended("*", reason, board.ply(), (slack[1], slack[0]))
        clocks[side] -= time.perf_counter() - started
        took = before - clocks[side]
        if nodes[side] is None and took / before > share:
            share = took / before
            longest = f"longest {took:.3f} of {before:.3f} at ply {board.ply()}, stolen {_stolen() - stolen:.2f}"
        slack[side] = min(slack[side], clocks[side])
        if clocks[side] < 0:
            return Ended("*", "time", board.ply(), (slack[1], slack[0]), longest=longest)
        clocks[side] += increment
        if played.move is None or not board.is_legal(played.move):
            return Ended("*", "illegal", board.ply(), (slack[1], slack[0]))
        board.push(played.move)
    outcome = board.outcome(claim_draw=True)
    reason = "cap" if outcome is None else outcome.termination.name.lower()
    result = "1/2-1/2" if outcome is None else outcome.result()
    return Ended(result, reason, board.ply(), (slack[1], slack[0]), longest=longest)


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
