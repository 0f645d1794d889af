"""The agent thinks about one position under limits, and can be watched and stopped while it does. Two searches stand
behind it (see docs/search.md): Gumbel search for a fixed number of simulations and for networks that are evaluated in
batches, principal-variation search for everything else."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import chess
import numpy as np

from agent import vocabulary
from agent.engine.limits import SLICE, Control, Limits, ThinkOptions, allotted
from agent.engine.pace import Pace
from agent.engine.report import Line, Report
from agent.networks.contract import CompiledEvaluator, LeafEvaluator
from agent.players.player import Choice
from agent.rules import Games, to_fen
from agent.search.gumbel.single import SingleGumbelSearch
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.settings import SearchSettings, playing
from agent.search.thinking import RootMove, RootOptions, Thinking
from agent.vocabulary import MAX_LEGAL

Watcher = Callable[[Report], None]
MEGABYTES: Final = 64  # default memory
_SPARE: Final = 0.9  # share of a move's time that is planned for a fixed number of simulations
_REPORTS_AT: Final = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds of the first reports; later one a second


class Thinker:
    """Thinks about one position at a time; calls from several threads are serialised."""

    def __init__(
        self,
        evaluator: CompiledEvaluator | LeafEvaluator,
        settings: SearchSettings | None = None,
        megabytes: int = MEGABYTES,
    ) -> None:
        self._evaluator, self._megabytes = evaluator, megabytes
        compiled = isinstance(evaluator, CompiledEvaluator)
        self._least = 16 if compiled else 1  # nodes of a slice
        self._fixed = SingleGumbelSearch(evaluator, settings or playing(), megabytes)
        self._open: Thinking = self._fixed
        if isinstance(evaluator, CompiledEvaluator):
            self._open = PrincipalVariationSearch(evaluator, megabytes)
        self._speed = 1000.0 * self._least  # simulations a second of fixed numbers; measured soon
        self._lock = threading.Lock()

    @property
    def settings(self) -> SearchSettings:
        """Of Gumbel search."""
        return self._fixed.settings

    def retune(self, settings: SearchSettings) -> None:
        """Use other settings of Gumbel search from the next call of `think` on."""
        self._fixed.settings = settings

    def resize(self, megabytes: int) -> None:
        """Use empty memory of this size."""
        with self._lock:
            self._open.resize(megabytes)
            self._megabytes = megabytes

    def forget(self) -> None:
        """Forget what was found for other moves, as before a new game."""
        self.resize(self._megabytes)

    def think(
        self,
        board: chess.Board,
        limits: Limits,
        options: ThinkOptions | None = None,
        *,
        games: Games | None = None,
        control: Control | None = None,
        watch: Watcher | None = None,
    ) -> Report:
        """Think about `board` until a limit is reached or `control`, whose start is when the clock started, stops it
        from another thread; at least one slice. The history that counts for repetition is that of `games`, `board` as
        one game, or the move stack. `watch` gets reports from time to time, in this thread. A ValueError where there is
        no legal move, or the network's answer is NaN or infinite."""
        options, control = options or ThinkOptions(), control or Control()
        if options.fresh:
            self.forget()
        with self._lock:
            begun = time.perf_counter()
            search = self._open if limits.simulations is None else self._fixed
            budget = allotted(limits)
            simulations = limits.simulations
            if simulations is not None and budget is not None:
                simulations = max(1, min(simulations, round(_SPARE * self._speed * budget.soft)))
            games = Games.from_boards([board]) if games is None else games.copy()
            games.ply[:] = board.ply()  # the noise of a game differs from ply to ply
            black = board.turn == chess.BLACK
            chosen = [move for move in limits.moves if chess.Move.from_uci(move) in board.legal_moves]
            allowed = np.array([vocabulary.from_uci(move, black=black) for move in chosen], np.uint16)
            lines = options.lines if options.keep is None else options.keep
            noise = options.temperature, options.seed
            search.begin(games, RootOptions(allowed, lines, limits.mate is not None, simulations, *noise))
            reports = _reports(begun, control.every)
            pace = Pace(limits, control, budget, board.legal_moves.count() == 1)

            def report() -> Report:
                found = tuple(self._line(board, move) for move in search.look(options.lines))
                seconds = time.perf_counter() - begun
                planned = simulations if simulations and search.nodes < simulations else 0
                every = search.look(MAX_LEGAL) if control.every is not None else []
                shares = tuple((chess.Move.from_uci(vocabulary.to_uci(m.move, black=black)), m.nodes) for m in every)
                return Report(found, search.nodes, seconds, search.depth, search.deepest, search.full, planned, shares)

            seen: tuple[int, ...] = ()
            size = 4 * self._least
            while size := self._slice(search, pace, size):
                if watch is not None:
                    before, seen = seen, (int(search.depth), search.look(1)[0].mate)
                    if next(reports) or (before and seen != before):
                        watch(report())
            if search is self._fixed and search.nodes >= 4 * self._least:
                self._speed += (search.nodes / (time.perf_counter() - begun) - self._speed) / 2
            if limits.infinite or limits.ponder:
                if not control.stopped and watch is not None:
                    watch(report())
                control.wait(or_hit=not limits.infinite)
            return report()

    def _slice(self, search: Thinking, pace: Pace, size: int) -> int:
        """Search about `size` nodes more; the size of the next slice, 0 once it is time to answer."""
        begun, done = time.perf_counter(), search.nodes
        more = search.run(pace.most(search, size))
        if not more or pace.is_over(search):
            return 0
        seconds, done = time.perf_counter() - begun, search.nodes - done
        return max(self._least, min(2 * size, round(done * SLICE / max(seconds, 1e-6))))

    def _line(self, board: chess.Board, found: RootMove) -> Line:
        after, moves = board.copy(stack=False), list[chess.Move]()
        for index in found.line:
            move = chess.Move.from_uci(vocabulary.to_uci(index, black=after.turn == chess.BLACK))
            assert after.is_legal(move), f"{move} is illegal in '{after.fen()}'"
            after.push(move)
            moves.append(move)
        draws = None if found.mate else self._draws(after)
        return Line(tuple(moves), found.value, found.prior, found.nodes, draws, found.mate, found.exact)

    def _draws(self, board: chess.Board) -> float | None:
        """Probability of a draw by the network; None where it gives none."""
        network = self._evaluator
        if not isinstance(network, CompiledEvaluator) or (wdl := getattr(network.scratch, "wdl", None)) is None:
            return None
        if not any(board.legal_moves) or board.is_insufficient_material():
            return float(not board.is_checkmate())
        nothing, logits = np.zeros(0, np.uint16), np.zeros(0, np.float32)
        position = Games.from_boards([board]).positions[0]
        network.evaluate(position, nothing, 0, network.parameters, network.scratch, logits)
        return float(wdl[1])


def _reports(started: float, every: float | None) -> Iterator[bool]:
    """Whether to report now: every so many seconds; None: soon at first, then once a second."""
    times = itertools.chain(_REPORTS_AT, itertools.count(1)) if every is None else itertools.count(every, every)
    for due in times:
        while time.perf_counter() - started < due:
            yield False
        yield True


class TimedPlayer:
    """Thinks `seconds` about every move, on one core, by a thinker that is not used elsewhere at the same time."""

    def __init__(self, thinker: Thinker, seconds: float) -> None:
        self._thinker, self._limits = thinker, Limits(seconds=seconds)
        self.name = f"search:{seconds:g}s"
        self.nodes, self.moves = 0, 0  # so far

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        moves, values = np.zeros(len(games), np.uint16), np.zeros(len(games), np.float32)
        for row, position in enumerate(games.positions):
            board = chess.Board(to_fen(position))
            report = self._thinker.think(board, self._limits, games=games.take([row]))
            moves[row] = vocabulary.from_uci(report.best.move.uci(), black=board.turn == chess.BLACK)
            values[row] = report.best.score
            self.nodes += report.nodes
        self.moves += len(games)
        return Choice(moves, values)
