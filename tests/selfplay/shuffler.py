"""A stand-in for search that gets nowhere: it takes back its last move, so that games end in repetition."""

import numpy as np
import torch
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.networks.evaluator import Evaluator
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.rules import Games
from selfplay.generator import Generator
from selfplay.record import GameRecord, RaggedPolicy
from selfplay.selection import SelectedMoves
from selfplay.settings import SelfplaySettings
from tests.training.records import finished


class Shuffler:
    """Moves a knight or a king out and back, or else whatever comes first; the same in every game."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, bool], int] = {}

    def __call__(self, games: Games, keys: NDArray[np.int64]) -> SelectedMoves:
        indices, counts = rules.legal_moves(games.positions)
        blacks = rules.is_black(games.positions)
        moves = np.zeros(len(games), np.uint16)
        for row, (count, black) in enumerate(zip(counts.tolist(), blacks.tolist(), strict=True)):
            legal = indices[row, :count].tolist()
            back = [move for move in legal if _reverses(move, self._last.get((row, black)))]
            # b1-c3 is everybody's first move: two squares up, one aside.
            moves[row] = self._last[row, black] = (back or legal)[0]
        size, zeros = len(games), np.zeros(len(games), np.float32)
        probabilities = torch.zeros(size, vocabulary.SIZE)
        probabilities[torch.arange(size), torch.from_numpy(moves.astype(np.int64))] = 1
        return SelectedMoves(moves, zeros, zeros, probabilities, zeros, RaggedPolicy.empty(size))


def _reverses(move: int, last: int | None) -> bool:
    if last is None:
        return False
    return bool(vocabulary.FROM[move] == vocabulary.TO[last] and vocabulary.TO[move] == vocabulary.FROM[last])


def shuffled_games(count: int, *, opening_plies: int = 8) -> list[GameRecord]:
    """Finished games of shufflers after up to so many random plies."""
    settings = SelfplaySettings(games=16, opening_plies=opening_plies)
    network = ResidualNetwork(ResidualArchitecture(blocks=0, channels=8))
    generator = Generator(Evaluator(network), settings, seed=3, stream=0)
    generator._select = Shuffler()
    return finished(generator, count)[:count]
