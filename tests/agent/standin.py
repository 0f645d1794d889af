"""Thinkers of known behaviour, in place of a search, for tests of the agent's faces."""

import threading
from typing import Any

import chess

from agent.engine.limits import Limits, ThinkOptions
from agent.engine.report import Line, Report
from agent.engine.thinker import Thinker
from agent.search.settings import SearchSettings, playing

PATIENCE = 60.0  # seconds until a missing answer fails a test; no test waits this long when all is well


class Scripted(Thinker):
    """Plays the given moves, with one expected score for all; past the last, the first legal one."""

    def __init__(self, moves: str = "", value: float = 0.25) -> None:
        self.moves = moves.split()
        self.value = value
        self.asked: list[tuple[str, Limits, ThinkOptions]] = []
        self.sizes: list[int] = []  # of the memory, 0 where it was forgotten
        self.tuned = playing()

    def think(self, board: chess.Board, limits: Limits, options: ThinkOptions | None = None, **rest: Any) -> Report:
        self.asked.append((board.fen(), limits, options or ThinkOptions()))
        move = chess.Move.from_uci(self.moves.pop(0)) if self.moves else min(board.legal_moves, key=chess.Move.uci)
        assert board.is_legal(move)
        line = Line((move,), self.value, 0.5, 20, 0.25, 0)
        found = Report((line,), 20, 0.01, 1.0, 1, 0.001)
        if watch := rest.get("watch"):
            watch(found)
        if limits.infinite or limits.ponder:
            rest["control"].wait(or_hit=not limits.infinite)
        return found

    def resize(self, megabytes: int) -> None:
        self.sizes.append(megabytes)

    def forget(self) -> None:
        self.sizes.append(0)

    @property
    def settings(self) -> SearchSettings:
        return self.tuned

    def retune(self, settings: SearchSettings) -> None:
        self.tuned = settings


class Gated(Scripted):
    """Does not think before `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def think(self, board: chess.Board, limits: Limits, options: ThinkOptions | None = None, **rest: Any) -> Report:
        assert self.go_on.wait(PATIENCE)
        return super().think(board, limits, options, **rest)
