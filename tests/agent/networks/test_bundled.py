"""The bundled weights: whole, small, and strong."""

import hashlib

import pytest

from agent.networks.bundled import BUNDLED, find_weights
from agent.networks.registry import make_evaluator
from agent.players.alphabeta import AlphaBetaPlayer
from agent.players.network import PolicyPlayer, make_player
from agent.players.player import GreedyPlayer, Player, RandomPlayer
from training.evaluation.match import play_match
from training.evaluation.openings import Openings


def test_they_are_found_without_a_name_and_tell_where_they_come_from() -> None:
    found = find_weights()
    assert found.origin == "the bundled weights"
    assert found.warnings == ()
    assert "run generation step 12000" in found.weights.provenance["mean_of"]
    assert BUNDLED.stat().st_size < 8 * 2**20


def test_the_model_card_is_that_of_the_file() -> None:
    card, weights = BUNDLED.with_suffix(".md").read_text(), find_weights().weights
    assert f"`{hashlib.sha256(BUNDLED.read_bytes()).hexdigest()}`" in card
    provenance = ", ".join(f"{key} {value}" for key, value in weights.provenance.items())
    assert f"| provenance in the file | {provenance} |" in card
    rows, width = weights.tensors["features.weight"].shape
    assert f"{rows:,} features x {width}, {weights.tensors['hidden.bias'].size} hidden" in card


@pytest.mark.parametrize(
    ("simulations", "opponent", "least"),
    [(0, RandomPlayer(1), 0.9), (0, GreedyPlayer(1), 0.85), (256, AlphaBetaPlayer(3, 1), 0.9)],
    ids=["policy alone, random", "policy alone, greedy", "256 simulations, alphabeta:3"],
)
def test_they_win(simulations: int, opponent: Player, least: float) -> None:
    evaluator = make_evaluator(find_weights().weights.network)
    player = make_player(evaluator, simulations) if simulations else PolicyPlayer(evaluator)
    result = play_match(player, opponent, Openings(1), games=100)
    assert result.score >= least, result.sentence()
    assert result.illegal_moves == 0
