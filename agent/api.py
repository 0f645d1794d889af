"""The library's entry points, see docs/api.md: load weights, evaluate positions, search for moves.

Names and errors are python-chess's where it has them: what is illegal or invalid raises a ValueError that quotes it.
Shapes: B positions, 1,880 moves of `agent.vocabulary`."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple, Self, overload

import numpy as np
from chess import Board, Move
from chess.engine import Cp, InfoDict, Limit, Mate, PlayResult, PovScore, PovWdl, Wdl
from numpy.typing import NDArray

from agent import rules
from agent.engine.agent import load_agent
from agent.engine.limits import Clock, Limits, ThinkOptions
from agent.engine.report import Report, centipawns
from agent.networks.bundled import find_weights
from agent.networks.weights import Weights
from agent.rules.layout import checked
from agent.vocabulary import SIZE, to_uci

Positions = str | Board | NDArray[np.uint64] | Iterable[str | Board]
"""A FEN, a board, several of them, or packed positions uint64 [B, WORDS], which are trusted."""
Moves = Iterable[Move] | None
_BATCH: Final = 1024  # positions evaluated at once


class Evaluation(NamedTuple):
    """What a network says about B positions, each seen from the side to move."""

    positions: NDArray[np.uint64]  # [B, WORDS], packed
    policy: NDArray[np.float32]  # [B, 1880] probabilities, exactly 0.0 at illegal moves; zeros where there is no move
    wdl: NDArray[np.float32]  # [B, 3] probabilities of win, draw, loss

    def moves(self, row: int = 0) -> dict[Move, float]:
        """The legal moves of a position with their probabilities, the most probable first. Raises IndexError."""
        position, policy = self.positions[row][None], self.policy[row]
        (indices,), (count,) = rules.legal_moves(position)
        black = bool(rules.is_black(position)[0])
        ranked = sorted(indices[:count].tolist(), key=lambda index: -policy[index])
        return {Move.from_uci(to_uci(index, black=black)): float(policy[index]) for index in ranked}


class Model:
    """A network with its weights, on one device."""

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        self.weights, self.device = weights, device
        self.network = weights.network.to(device)  # in torch: `dense` and `predict` take packed positions

    def evaluate(self, positions: Positions) -> Evaluation:
        """Evaluate positions without search, in float32. Raises ValueError: a FEN or board that is no possible
        position of standard chess, or an array of another shape or dtype."""
        import torch

        from agent.networks.policy import MaskedPolicy

        packed = pack(positions)
        policies, values = [np.zeros((0, SIZE), np.float32)], [np.zeros((0, 3), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(packed), _BATCH):
                part = packed[start : start + _BATCH]
                logits, value_logits = self.network.dense(part)
                legal = torch.from_numpy(rules.legal_bits(part)).to(self.device)
                policies.append(MaskedPolicy(logits, legal).probabilities.float().cpu().numpy())
                values.append(value_logits.float().softmax(1).cpu().numpy())
        return Evaluation(packed, np.concatenate(policies), np.concatenate(values))


def load(weights: str | Path | None = None, *, run: str | None = None, device: str = "cpu") -> Model:
    """The network of a weights file, of a run's newest checkpoint, or the bundled one. Raises ValueError: the file is
    missing or damaged, or there is no such run."""
    return Model(find_weights(None if weights is None else Path(weights), run).weights, device)


def pack(positions: Positions) -> NDArray[np.uint64]:
    """Packed positions uint64 [B, WORDS]; a board's repetitions are counted in its move stack. For errors see
    `Model.evaluate`."""
    if isinstance(positions, np.ndarray):
        return checked(positions)
    several = [positions] if isinstance(positions, str | Board) else positions
    packed = [rules.from_fen(one) if isinstance(one, str) else rules.from_board(one) for one in several]
    return np.array(packed, np.uint64).reshape(len(packed), rules.WORDS)


class Engine:
    """Plays and analyses like python-chess's `SimpleEngine`, in this process. Calls from several threads take turns.
    `weights` and `run` are those of `load`; `megabytes` are the transposition table's."""

    def __init__(self, weights: str | Path | None = None, *, run: str | None = None, megabytes: int = 64) -> None:
        self._agent = load_agent(None if weights is None else Path(weights), run)
        self._agent.resize(megabytes, 1, lambda sentence: None)
        self._game: object = None
        self.id = {"name": f"ZeroMass {version('zeromass')}"}

    def play(self, board: Board, limit: Limit, *, game: object = None, root_moves: Moves = None) -> PlayResult:
        """Search for the move to play; `info` of the result is that of `analyse`. Another `game` than the last call's
        empties the transposition table. Raises ValueError: the position is impossible or has no legal move, a root move
        is illegal, or the limit sets no end."""
        if game != self._game:
            self._agent.forget()
            self._game = game
        (info,) = self.analyse(board, limit, multipv=1, root_moves=root_moves)
        return PlayResult(info["pv"][0], info["pv"][1] if len(info["pv"]) > 1 else None, info)

    @overload
    def analyse(self, board: Board, limit: Limit, *, multipv: None = None, root_moves: Moves = None) -> InfoDict: ...
    @overload
    def analyse(self, board: Board, limit: Limit, *, multipv: int, root_moves: Moves = None) -> list[InfoDict]: ...
    def analyse(
        self, board: Board, limit: Limit, *, multipv: int | None = None, root_moves: Moves = None
    ) -> InfoDict | list[InfoDict]:
        """Search: `score`, `wdl`, `pv`, `depth`, `seldepth`, `nodes`, `nps`, `time` and `hashfull` of the best line, or
        a list of the `multipv` best. Raises as `play`."""
        if multipv is not None and multipv < 1:
            raise ValueError(f"multipv {multipv} is not at least 1")
        limits = _limits(board, limit, tuple(root_moves or ()))
        report = self._agent.think(board, limits, ThinkOptions(lines=multipv or 1))
        infos = [_info(board, report, number) for number in range(len(report.lines))]
        return infos[0] if multipv is None else infos

    def close(self) -> None:
        """Nothing is left to close: the search ends with each call."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    quit = close


def _limits(board: Board, limit: Limit, root_moves: tuple[Move, ...]) -> Limits:
    remaining, increment = (limit.white_clock, limit.white_inc) if board.turn else (limit.black_clock, limit.black_inc)
    clock = None if remaining is None else Clock(remaining, increment or 0.0, limit.remaining_moves)
    if all(one is None for one in (clock, limit.time, limit.nodes, limit.depth, limit.mate)):
        raise ValueError(f"{limit} sets no end; give time, nodes, depth, mate or the mover's clock")
    if not any(board.legal_moves):
        raise ValueError(f"there is no legal move in {board.fen()!r}")
    for move in root_moves:
        if not board.is_legal(move):
            raise ValueError(f"root move {move} is not legal in {board.fen()!r}")
    moves = tuple(move.uci() for move in root_moves)
    return Limits(None, limit.nodes, limit.time, clock, limit.depth, limit.mate, moves=moves)


def _info(board: Board, report: Report, number: int) -> InfoDict:
    line = report.lines[number]
    score = Cp(centipawns(line.score)) if line.mate_in is None else Mate(line.mate_in)
    info = InfoDict(multipv=number + 1, score=PovScore(score, board.turn), pv=list(line.moves))
    info |= InfoDict(depth=int(report.depth), seldepth=report.deepest, nodes=report.nodes, time=report.seconds)
    info |= InfoDict(nps=round(report.speed), hashfull=round(1000 * report.full))
    if line.wdl is not None:
        info["wdl"] = PovWdl(Wdl(*line.wdl), board.turn)
    return info
