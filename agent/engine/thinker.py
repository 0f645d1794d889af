"""The agent thinks about one position under limits, and can be watched and stopped while it does.

How simulations are allocated (see docs/search.md):

- a number of simulations: one round of sequential halving over that number, exactly `GumbelSearch`;
- a time: one round over the simulations that the measured speed allows until then. The estimate is renewed at
  every slice, so each phase is cut to the time that is really left;
- no limit: rounds, each as long as all before it, in a tree that is kept.
"""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import chess
import numpy as np

from agent import vocabulary
from agent.engine.limits import SLICE, Control, Limits, ThinkOptions, allotted
from agent.engine.report import Line, Report
from agent.networks.contract import CompiledEvaluator, LeafEvaluator
from agent.rules import Games
from agent.search.root_moves import RootMove
from agent.search.settings import SearchSettings, playing
from agent.search.sliced import Halving, SlicedSearch

Watcher = Callable[[Report], None]
MEGABYTES: Final = 512  # default memory of the tree
_FIRST_ROUND: Final = 512  # simulations of the first of several rounds
_NO_LIMIT: Final = 10**9
_REPORTS_AT: Final = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds of the first reports; later one a second


class Thinker:
    """Thinks about one position at a time; calls from several threads are serialised. The tree takes `megabytes`."""

    def __init__(
        self,
        evaluator: CompiledEvaluator | LeafEvaluator,
        settings: SearchSettings | None = None,
        megabytes: int = MEGABYTES,
    ) -> None:
        self._evaluator = evaluator
        self.settings = settings or playing()
        self._search, self._megabytes = SlicedSearch(evaluator, self.settings, megabytes), megabytes
        self._lock = threading.Lock()
        self._least = 16 if isinstance(evaluator, CompiledEvaluator) else 1
        self._speed = 1000.0 * self._least  # simulations a second; measured soon

    def retune(self, settings: SearchSettings) -> None:
        """Use other search settings from the next call of `think` on."""
        if settings != self.settings:
            self.settings = settings
            self._search = SlicedSearch(self._evaluator, settings, self._megabytes)

    def resize(self, megabytes: int) -> None:
        """Use a new tree of this size."""
        self._search, self._megabytes = SlicedSearch(self._evaluator, self.settings, megabytes), megabytes

    def simulations_in(self, seconds: float) -> int:
        """How many simulations fit into `seconds` at the speed measured so far, at least 1."""
        return max(1, round(self._speed * seconds))

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
        """Think until a limit is reached or `control` stops it; at least one slice.

        Args:
            board: has a legal move; its move stack counts for repetition.
            games: `board` as one game with the history that counts for repetition; None: `board` has it.
            control: stops it from another thread; its start is when the clock started.
            watch: gets reports from time to time, in this thread.

        Raises:
            ValueError: no legal move, or the network's answer is NaN or infinite.
        """
        options, control = options or ThinkOptions(), control or Control()
        with self._lock:
            search = self._search
            games = Games.from_boards([board]) if games is None else games.copy()
            games.ply[:] = board.ply()  # the noise of a game differs from ply to ply
            black = board.turn == chess.BLACK
            chosen = [move for move in limits.moves if chess.Move.from_uci(move) in board.legal_moves]
            search.begin(
                games,
                allowed=np.array([vocabulary.from_uci(move, black=black) for move in chosen], np.uint16),
                seed=options.seed,
                gumbel_scale=options.temperature,
                proofs=options.proofs,
            )
            begun = time.perf_counter()
            reports = _reports(begun)

            def look() -> None:
                if watch is not None and next(reports):
                    watch(self._report(board, options.lines, begun))

            kept = options.lines if options.keep is None else options.keep
            considered = max(self.settings.max_considered_actions, 2 * kept)
            if limits.mate is not None or chosen:
                considered = vocabulary.MAX_LEGAL  # a mate may begin with an unlikely move
            self._run(limits, control, considered, kept, look)
            report = self._report(board, options.lines, begun)
            if limits.infinite or limits.ponder:
                if not control.stopped and watch is not None:
                    watch(report)
                control.wait(or_hit=not limits.infinite)
            return report

    def _run(self, limits: Limits, control: Control, considered: int, kept: int, look: Callable[[], None]) -> None:
        search, moves = self._search, self._search.moves
        seconds = allotted(limits)
        pondering = limits.ponder
        fixed = limits.simulations if limits.simulations is not None and not pondering else None
        deadline = None if seconds is None or pondering else control.started + seconds
        halving: Halving | None = None
        done_before, length = 0, _NO_LIMIT
        # When to look for a proven mate, and the end of a slice: a count, or no game could be repeated; and few at
        # first, for the speed may be that of a position full of exact leaves.
        proof, due = 0, 32
        while True:
            now = time.perf_counter()
            if pondering and (hit := control.hit_at) is not None:
                # Limits count from here on: a new round for the time left, in the tree that is kept.
                pondering, fixed = False, limits.simulations
                deadline = None if seconds is None else hit + seconds
                halving = None
            if halving is None or (deadline is None and fixed is None and search.simulations - done_before >= length):
                if search.simulations:
                    search.new_round()
                    if deadline is None and fixed is None:
                        considered *= 2 if search.simulations >= 4 * _FIRST_ROUND else 1
                done_before = search.simulations
                length = max(_FIRST_ROUND, search.simulations) if deadline is None and fixed is None else _NO_LIMIT
                halving = Halving(min(considered, moves), length, kept)
            most = max(self._least, round(self._speed * SLICE))
            if deadline is not None:
                left = deadline - now
                affordable = search.simulations - done_before + round(self._speed * max(left, 0.0))
                halving.simulations = max(self._least, affordable)
                most = max(self._least, min(most, round(self._speed * left)))
            if fixed is not None:
                halving.simulations = min(halving.simulations, max(fixed - done_before, 1)) if deadline else fixed
                most = min(most, fixed - search.simulations)
            if limits.planned is not None:
                halving.simulations = limits.planned
            if most <= 0:
                return
            most = min(most, due - search.simulations)
            wanted = halving.take(most)
            done = search.run(wanted)
            after = time.perf_counter()
            self._note_speed(done, after - now)
            if search.simulations >= due:
                proof, due = search.proof(), due * 3 // 2
            look()
            if done < len(wanted) or self._is_over(limits, control, pondering, deadline, fixed, proof):
                return

    def _is_over(
        self, limits: Limits, control: Control, pondering: bool, deadline: float | None, fixed: int | None, proof: int
    ) -> bool:
        search = self._search
        if control.stopped:
            return True
        if limits.mate is not None:
            if 0 < proof <= 2 * limits.mate - 1:
                return True
        elif proof and not limits.infinite:
            return True
        if pondering:
            return False
        if fixed is not None and search.simulations >= fixed:
            return True
        alone = search.moves == 1 and limits.clock is not None
        if deadline is not None and (alone or time.perf_counter() >= deadline):
            return True
        if limits.depth is not None:
            return search.mean_depth >= limits.depth or search.simulations >= 10_000 * limits.depth
        return False

    def _note_speed(self, done: int, seconds: float) -> None:
        if done >= self._least and seconds > SLICE / 4:  # shorter ones say more about the call than about the search
            # Slow slices weigh more: an estimate that is too high costs time.
            measured = done / seconds
            weight = 0.1 if measured > self._speed else 0.3
            self._speed += weight * (min(measured, 8 * self._speed) - self._speed)

    def _report(self, board: chess.Board, lines: int, started: float) -> Report:
        search, seconds = self._search, time.perf_counter() - started
        found = tuple(_line(board, move) for move in search.look(lines))
        return Report(found, search.simulations, seconds, search.mean_depth, search.deepest, search.full)


def _reports(started: float) -> Iterator[bool]:
    """Whether to report now: soon at first, then once a second."""
    for due in itertools.chain(_REPORTS_AT, itertools.count(1)):
        while time.perf_counter() - started < due:
            yield False
        yield True


def _line(board: chess.Board, found: RootMove) -> Line:
    after, moves = board.copy(stack=False), list[chess.Move]()
    for index in found.line:
        move = chess.Move.from_uci(vocabulary.to_uci(index, black=after.turn == chess.BLACK))
        assert after.is_legal(move), f"{move} is illegal in '{after.fen()}'"
        after.push(move)
        moves.append(move)
    draws = None if math.isnan(found.draws) else found.draws
    return Line(tuple(moves), found.value, found.prior, found.policy, found.visits, draws, found.mate)
