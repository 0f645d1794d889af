"""Resignation: the rule by hand, and what games of a generator look like under it."""

from dataclasses import replace

import numpy as np

from agent.rules import Termination
from agent.search import SearchSettings
from selfplay.generator import Generator, GeneratorSettings
from selfplay.record import GameRecord
from selfplay.resignation import Concession, Resignation
from selfplay.starts import StartSettings
from tests.agent.search.evaluators import untrained

RULE = Resignation(below=0.8, in_turn=2, played_on=0.0)


def side_after(values: list[tuple[float, bool]], rule: Resignation = RULE) -> int:
    concession = Concession(rule, seed=3)
    for value, black in values:
        concession.note(value, black)
    return concession.side


def test_a_side_gives_up_after_so_many_of_its_own_plies_in_turn() -> None:
    lost, fine = -0.9, 0.9
    assert side_after([(fine, False), (lost, True), (fine, False)]) == 0
    assert side_after([(fine, False), (lost, True), (fine, False), (lost, True)]) == -1
    assert side_after([(lost, False), (0.0, True), (-0.8, False)]) == 1
    assert side_after([(lost, False), (0.0, True), (0.0, False), (0.0, True), (lost, False)]) == 0
    assert side_after([(-1.0, False), (1.0, True)] * 5, Resignation()) == 0


def test_games_played_on_are_as_many_as_asked_and_fixed_by_the_seed() -> None:
    def resigned(seed: int) -> bool:
        concession = Concession(replace(RULE, played_on=0.25), seed)
        concession.note(-1.0, False)
        concession.note(-1.0, False)
        assert concession.side == 1
        return concession.resigned

    shares = [resigned(seed) for seed in range(2000)]
    assert 0.71 < np.mean(shares) < 0.79
    assert shares[:50] == [resigned(seed) for seed in range(50)]


def test_a_generator_ends_games_by_resignation_and_records_who_gave_up() -> None:
    settings = GeneratorSettings(
        games=16,
        start=StartSettings(4, endgame_share=0.5),
        ply_cap=60,
        temperature=1.0,
        claim_draws=True,
        search=SearchSettings(simulations=8),
        resignation=Resignation(below=0.0002, in_turn=2, played_on=0.3),
    )
    source = Generator(untrained(), settings, seed=1, stream=0)
    records: list[GameRecord] = []
    while len(records) < 60:
        records += source.step()
    resigned = [record for record in records if record.termination == Termination.RESIGNED]
    assert len(resigned) > 5
    for record in resigned:
        assert record.outcome == -record.conceded
        own = record.values[::-1][::2]  # of the side that made the last move: it gave up
        assert (own[:2] <= -0.0002).all()
    others = [record for record in records if record.termination != Termination.RESIGNED]
    assert any(record.conceded for record in others)
