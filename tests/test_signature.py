"""The signature of the search: one number that a change of speed leaves alone."""

import random

import chess
import pytest

import zeromass
from agent.networks.bundled import find_weights
from agent.networks.contract import CompiledEvaluator
from agent.rules import Games
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.thinking import RootOptions
from benchmarks import signature

SIGNATURE = 233_087
"""After a change of search or evaluation that is meant: the number that `zeromass benchmark signature` prints."""


def test_signature(capsys: pytest.CaptureFixture[str]) -> None:
    assert zeromass.main(["benchmark", "signature"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"signature {SIGNATURE}"


def test_nodes_of_the_signature_are_counted_singly() -> None:
    evaluator = find_weights().weights.for_search()
    assert isinstance(evaluator, CompiledEvaluator)
    search = PrincipalVariationSearch(evaluator, signature.MEGABYTES)
    names = random.Random(1).sample(list(signature.POSITIONS), 4)
    for fen in (signature.POSITIONS[name] for name in [*names, "near mate"]):
        counted = signature.nodes_to(search, fen, 5)
        search.resize(signature.MEGABYTES)
        search.begin(Games.from_boards([chess.Board(fen)]), RootOptions())
        while search.depth < 5 and search.run(1):
            pass
        assert counted == search.nodes
