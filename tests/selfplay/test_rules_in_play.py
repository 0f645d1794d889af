"""The rules against python-chess on positions of real self-play, move history and all."""

import chess
import pytest
import torch

from agent import vocabulary
from agent.networks.registry import make_evaluator, make_network
from agent.networks.sparse.architecture import SparseArchitecture
from selfplay.generator import Generator
from selfplay.record import GameRecord
from selfplay.settings import SelfplaySettings
from tests.agent.rules.oracle import differences


def played(games: int, simulations: int, seed: int) -> list[GameRecord]:
    torch.manual_seed(seed)
    network = make_network(SparseArchitecture(width=64, hidden=32))
    settings = SelfplaySettings(games=32, ply_cap=400, simulations=simulations)
    generator = Generator(make_evaluator(network), settings, seed=seed, stream=0)
    records: list[GameRecord] = []
    while len(records) < games:
        records += generator.step()
    return records


def compared(record: GameRecord) -> int:
    """Replay a game on python-chess's board and compare every position of it."""
    board, boards = chess.Board(), []
    for move in record.opening.tolist():
        board.push_uci(vocabulary.to_uci(move, black=not board.turn))
    for move in record.moves.tolist():
        boards.append(board.copy())
        board.push_uci(vocabulary.to_uci(move, black=not board.turn))
    assert differences(boards, record.positions) == []
    return len(boards)


@pytest.mark.parametrize("simulations", [0, 8], ids=["sampled", "searched"])
def test_positions_of_selfplay(simulations: int) -> None:
    assert sum(compared(record) for record in played(6, simulations, seed=1)) > 500


@pytest.mark.slow
def test_twenty_thousand_positions_of_selfplay() -> None:
    records = [*played(64, 0, seed=2), *played(64, 16, seed=3)]
    assert sum(compared(record) for record in records) >= 20_000
