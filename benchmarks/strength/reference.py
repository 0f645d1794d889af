"""What a move is worth by a reference engine. What was judged once is kept in a file, so it takes no time again."""

import json
import math
import re
from contextlib import AbstractContextManager
from typing import Final

import chess
import chess.engine

from agent.errors import InputError
from agent.files import check_output, save
from agent.players.external import close_engine, start_engine
from kernels.compilation import base_folder

NODES: Final = 60_000  # of the search of one move; that for the best move takes twice as many
_HASH: Final = 64  # megabytes


def chances(score: chess.engine.PovScore) -> float:
    """Winning chances 0..1 of the side to move, by Lichess' curve; a mate counts as some 20 pawns."""
    points = score.relative.score(mate_score=2000)
    return 1 / (1 + math.exp(-0.00368208 * min(max(points, -2000), 2000)))


class Reference(AbstractContextManager["Reference"]):
    """Stockfish as the judge. Every judgement is a search of its own with empty memory, so it depends on nothing but
    the engine, the position, the move and the nodes. They lie in the folder of the compile cache, a file for each
    engine and number of nodes. An InputError where the engine is missing, does not start, or its judgements cannot be
    kept."""

    def __init__(self, nodes: int = NODES) -> None:
        self._nodes, self._engine = nodes, start_engine("stockfish", {"Hash": _HASH})
        self.name = self._engine.id.get("name", "Stockfish")
        words = re.sub(r"\W+", "-", self.name.lower())
        self._path = base_folder() / f"judgements-{words}-{nodes}.json"
        self._known: dict[str, float] = {}  # by position for the best move, by position and move for any
        try:
            check_output(self._path)
        except InputError:
            close_engine(self._engine)
            raise
        self._known = self._kept()

    def __exit__(self, *_error: object) -> None:
        close_engine(self._engine)
        self.keep()

    def regret(self, board: chess.Board, move: chess.Move) -> float:
        """Winning chances 0..1 that `move` loses against the best move, at least 0. An InputError where the engine
        stopped."""
        fen = board.fen()
        if fen not in self._known:
            found = self.analyse(board, 2 * self._nodes)
            self._known[fen] = self._known[f"{fen} {found['pv'][0].uci()}"] = chances(found["score"])
        key = f"{fen} {move.uci()}"
        if key not in self._known:
            self._known[key] = chances(self.analyse(board, self._nodes, [move])["score"])
        return max(self._known[fen] - self._known[key], 0.0)

    def analyse(self, board: chess.Board, nodes: int, moves: list[chess.Move] | None = None) -> chess.engine.InfoDict:
        """What the engine finds among `moves`, or all, with empty memory. Raises InputError where it gives no score."""
        try:
            limit = chess.engine.Limit(nodes=nodes)
            found = self._engine.analyse(board, limit, game=object(), root_moves=moves)  # another game: it forgets
        except (chess.engine.EngineError, OSError) as error:
            raise InputError(f"engine 'stockfish' stopped ({' '.join(str(error).split())}); try again") from error
        if not found.get("pv") or "score" not in found:
            raise InputError(f"engine 'stockfish' gave no score in {board.fen()}; try another version")
        return found

    def keep(self) -> None:
        """Write what is known to the file, with what other processes wrote there meanwhile."""
        self._known = self._kept() | self._known
        save(self._path, json.dumps(self._known).encode())

    def _kept(self) -> dict[str, float]:
        """What the file holds; nothing where it is missing or damaged."""
        try:
            return dict(json.loads(self._path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return {}
