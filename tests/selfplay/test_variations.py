"""Openings that change while a run goes on: decisive ones are real chess with a side far ahead, shares are kept."""

import chess
import numpy as np
import pytest
import torch

from agent import rules, vocabulary
from agent.networks.evaluator import Evaluator
from agent.networks.residual.network import Architecture, Network
from selfplay.generator import Generator, GeneratorSettings
from selfplay.openings import random_opening
from selfplay.record import GameRecord
from selfplay.starts import StartSettings
from selfplay.variations import LEAD, LONGEST, MOST, Variations, decisive_opening

WORTH = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 0}


def played(opening: list[int]) -> chess.Board:
    """The board after `opening`, every move checked."""
    board = chess.Board()
    for index in opening:
        move = chess.Move.from_uci(vocabulary.to_uci(index, black=board.turn == chess.BLACK))
        assert move in board.legal_moves
        board.push(move)
    return board


def lead(board: chess.Board) -> int:
    """Material of the side to move less the other's."""
    return sum(WORTH[p.piece_type] * (1 if p.color == board.turn else -1) for p in board.piece_map().values())


@pytest.mark.parametrize("least", [LEAD, 12, MOST])
def test_after_a_decisive_opening_the_side_to_move_is_as_far_ahead_as_asked_and_the_game_goes_on(least: int) -> None:
    boards = [played(decisive_opening(seed, least)) for seed in range(150)]
    for board in boards:
        assert lead(board) >= least
        assert board.outcome(claim_draw=True) is None
        assert board.ply() < LONGEST
    # Either colour gets its lead.
    assert 0.3 < sum(board.turn == chess.WHITE for board in boards) / len(boards) < 0.7
    assert len({board.epd() for board in boards}) == len(boards)


def test_a_decisive_opening_is_fixed_by_its_seed() -> None:
    assert decisive_opening(7) == decisive_opening(7) != decisive_opening(8)
    assert decisive_opening(-7) == decisive_opening(7)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_decisive_openings_come_as_often_as_asked_for_and_the_others_are_as_they_were(share: float) -> None:
    variations = Variations(StartSettings(8), decisive_share=share)
    seeds = np.random.default_rng(1).integers(2**62, size=400).tolist()
    decisive = 0
    leads = set()
    for seed in seeds:
        start = variations.draw_start(seed, seed // 3)
        opening = start.moves
        assert np.array_equal(start.position, rules.start(1)[0])
        if opening != random_opening(seed, seed // 3 % 9):
            asked = LEAD + seed // 3 % (MOST - LEAD + 1)
            assert opening == decisive_opening(seed, asked)
            leads.add(asked)
            decisive += 1
    assert decisive / len(seeds) == pytest.approx(share, abs=0.07 if 0 < share < 1 else 0)
    assert len(leads) == (MOST - LEAD + 1 if share else 0)


def test_a_generator_follows_its_variations_from_the_next_game_on() -> None:
    settings = GeneratorSettings(games=8, start=StartSettings(2), ply_cap=40, temperature=1.0, claim_draws=True)

    def games(variations: Variations | None) -> list[GameRecord]:
        torch.manual_seed(0)
        generator = Generator(Evaluator(Network(Architecture(blocks=0, channels=8))), settings, seed=0, stream=0)
        if variations is not None:
            generator.variations = variations
        records: list[GameRecord] = []
        while len(records) < 40:
            records += generator.step()
        return records

    plain, same = games(None), games(Variations(StartSettings(2)))
    assert [record.game for record in plain] == [record.game for record in same]
    assert all(np.array_equal(one.moves, two.moves) for one, two in zip(plain, same, strict=True))
    assert max(len(record.opening) for record in plain) <= 2
    longer = games(Variations(StartSettings(20)))
    assert max(len(record.opening) for record in longer[settings.games :]) > 10
    decisive = games(Variations(StartSettings(2), decisive_share=1.0))
    later = [record for record in decisive if len(record.opening) > 2]
    assert len(later) >= 40 - settings.games
    assert all(lead(played(record.opening.tolist())) >= LEAD for record in later)
