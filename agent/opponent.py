"""The agent as people and programs meet it: weights found and loaded, moves chosen on python-chess boards."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import chess
import torch

from agent import vocabulary
from agent.compilation import warm_up
from agent.errors import InputError
from agent.evaluators import make_evaluator
from agent.networks import make_network
from agent.player import Player, make_player
from agent.rules import Games
from agent.runs import RUNS, checkpoint_weights, find_run, newest_runs
from agent.sparse_architecture import SparseArchitecture
from agent.weights import Weights, load_weights

SIMULATIONS: Final = 256
"""Of a move, unless somebody says otherwise."""


class Thought(NamedTuple):
    """What a player answers in one position."""

    move: chess.Move
    """Legal on the board that was asked about."""
    score: float | None
    """Expected score -1..1 for the side to move; None where the player has no opinion."""
    line: tuple[chess.Move, ...]
    """The moves expected, `move` first."""
    nodes: int
    """Positions evaluated: simulations, or the legal moves where it looked one ply ahead."""


@dataclass(frozen=True)
class Opponent:
    """A player with the name and the story of its weights."""

    player: Player
    origin: str
    """One sentence without a full stop: which weights these are."""
    warnings: tuple[str, ...] = ()
    """Sentences about checkpoints that had to be skipped."""
    simulations: int = 0
    """Of a move, where nothing else is asked; 0: it looks one ply ahead."""
    searcher: Callable[[int], Player] | None = None
    """Makes the same player with other simulations; None: it knows no search."""

    def think(self, board: chess.Board, simulations: int | None = None) -> Thought:
        """Choose a move; `board` must have a legal one. Its move stack counts for repetition.

        Args:
            board: what to think about.
            simulations: other than usual, where the player searches.
        """
        nodes = self.simulations if simulations is None or self.searcher is None else simulations
        player = self.player if nodes == self.simulations or self.searcher is None else self.searcher(nodes)
        choice = player.choose(Games.from_boards([board]))
        score = float(choice.values[0])
        expected = choice.moves if choice.lines is None else choice.lines[0]
        line = _line(board, expected.tolist())
        return Thought(line[0], None if math.isnan(score) else score, line, nodes or board.legal_moves.count())


def _line(board: chess.Board, moves: list[int]) -> tuple[chess.Move, ...]:
    """Vocabulary indices as moves on `board`, up to the first index that is none."""
    after, line = board.copy(), list[chess.Move]()
    for index in moves:
        if index >= vocabulary.SIZE:
            break
        move = chess.Move.from_uci(vocabulary.to_uci(index, black=after.turn == chess.BLACK))
        assert after.is_legal(move), f"{move} is illegal in '{after.fen()}'"
        after.push(move)
        line.append(move)
    return tuple(line)


class FoundWeights(NamedTuple):
    """Weights with the story of how they were found."""

    weights: Weights
    origin: str
    """One sentence without a full stop: which weights these are."""
    warnings: tuple[str, ...]
    """Sentences about checkpoints that had to be skipped."""


def find_weights(
    weights: Path | None = None, run: str | None = None, *, runs: Path = RUNS, seed: int = 0
) -> FoundWeights:
    """Load `weights`, else the newest checkpoint of `run`, else `default_weights`.

    Args:
        weights: a weights file.
        run: a run folder, by its name below `runs` or by path.
        runs: where run folders are.
        seed: of an untrained network.

    Raises:
        InputError: the file is missing or damaged, there is no such run, or it has no whole checkpoint.
    """
    warnings: list[str] = []
    if weights is not None:
        loaded, origin = load_weights(weights), f"weights of {weights}"
    elif run is not None:
        loaded, origin = _of_run(run, runs, warnings)
    else:
        loaded, origin = default_weights(runs, seed, warnings)
    return FoundWeights(loaded, origin, tuple(warnings))


def load_opponent(
    weights: Path | None = None,
    run: str | None = None,
    *,
    runs: Path = RUNS,
    seed: int = 0,
    simulations: int = SIMULATIONS,
    progress: Callable[[str], None] | None = None,
) -> Opponent:
    """The agent with the weights that `find_weights` finds, ready to move at once.

    Args:
        weights: see `find_weights`, also for `run`, `runs`, `seed` and the errors raised.
        run: a run folder.
        runs: where run folders are.
        seed: of an untrained network.
        simulations: of the search for each move; 0: a look one ply ahead.
        progress: gets lines of text while code is compiled.
    """
    found = find_weights(weights, run, runs=runs, seed=seed)
    warm_up(progress)
    evaluator = make_evaluator(found.weights.network)

    def searcher(nodes: int) -> Player:
        return make_player(evaluator, nodes)

    opponent = Opponent(searcher(simulations), found.origin, found.warnings, simulations, searcher)
    opponent.think(chess.Board())  # the first evaluation is slow; the first move should not be
    return opponent


def default_weights(runs: Path, seed: int, warnings: list[str]) -> tuple[Weights, str]:
    """What plays when nothing is named: the newest run, else an untrained network; with its origin in words.

    Skipped checkpoints are added to `warnings`.
    """
    for folder in newest_runs(runs):
        found = _newest(folder, warnings)
        if found is not None:
            return found
    torch.manual_seed(seed)
    untrained = Weights(make_network(SparseArchitecture()).eval(), {})
    return untrained, f"an untrained network, for no trained one is in {runs}/"


def _of_run(name: str, runs: Path, warnings: list[str]) -> tuple[Weights, str]:
    folder = find_run(name, runs)
    found = _newest(folder, warnings)
    if found is None:
        why = warnings[-1] if warnings else "it has made none yet"
        raise InputError(f"run '{name}' has no whole checkpoint ({why}); let it train until the first is written")
    return found


def _newest(folder: Path, warnings: list[str]) -> tuple[Weights, str] | None:
    """The newest checkpoint of `folder` that loads; those skipped are named in `warnings`."""
    for file in checkpoint_weights(folder):
        try:
            return load_weights(file), f"run {folder.name}, {file.parent.name.replace('-', ' ')}"
        except InputError as error:
            warnings.append(f"skipped: {error}")
    return None
