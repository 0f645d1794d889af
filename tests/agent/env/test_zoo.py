"""The PettingZoo environment: by PettingZoo's own tests, and beside python-chess."""

import warnings

import chess
import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="pettingzoo is not installed (extra rl)")
from pettingzoo.test import api_test, seed_test

from agent import rules, vocabulary
from agent.env.vector import Form
from agent.env.zoo import ChessAECEnv
from agent.networks.residual.planes import planes
from agent.rules import Termination


@pytest.mark.parametrize("form", ["planes", "packed"])
def test_pettingzoos_own_tests(form: Form) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        api_test(ChessAECEnv("ansi", observation=form, max_plies=150), num_cycles=300)
    # It warns of dictionaries, such as its own chess shows; those it knows by name.
    dictionaries = ("Observation is not a NumPy array", "Observation space for each agent probably should be")
    assert [str(one.message) for one in caught if not str(one.message).startswith(dictionaries)] == []
    seed_test(lambda: ChessAECEnv(observation=form), num_cycles=200)


def test_a_game_as_each_side_sees_it_and_its_mate() -> None:
    env, board = ChessAECEnv("ansi"), chess.Board()
    env.reset(seed=0)
    for san in ("f3", "e5", "g4", "Qh4#"):
        agent = "player_0" if board.turn else "player_1"
        assert env.agent_selection == agent
        assert env.render() == str(board)
        seen, reward, *_ = env.last()
        assert reward == 0
        expected = {vocabulary.from_uci(move.uci(), black=not board.turn) for move in board.legal_moves}
        assert set(np.flatnonzero(seen["action_mask"]).tolist()) == expected
        np.testing.assert_array_equal(seen["observation"], planes(rules.from_board(board)[None])[0])
        other = board.copy(stack=False)
        other.turn, other.ep_square = not board.turn, None
        waiting = env.observe("player_1" if board.turn else "player_0")
        np.testing.assert_array_equal(waiting["observation"], planes(rules.from_board(other)[None])[0])
        assert not waiting["action_mask"].any()
        move = board.push_san(san)
        env.step(vocabulary.from_uci(move.uci(), black=agent == "player_1"))
    assert env.rewards == {"player_0": -1.0, "player_1": 1.0}
    assert all(env.terminations.values())
    assert not any(env.truncations.values())
    assert env.infos["player_0"]["termination"] == Termination.CHECKMATE
    assert not env.observe("player_0")["action_mask"].any()


def test_draws_truncations_and_illegal_actions() -> None:
    env = ChessAECEnv()
    env.reset()
    with pytest.raises(ValueError, match="move 0 of row 0 is not legal"):
        env.step(0)
    assert env.agent_selection == "player_0"
    shuffle = [vocabulary.from_uci(uci, black=False) for uci in ("g1f3", "g1f3", "f3g1", "f3g1")]
    for action in 2 * shuffle:
        env.step(action)
    assert env.infos["player_0"]["termination"] == Termination.THREEFOLD_REPETITION
    assert env.terminations == {"player_0": True, "player_1": True}
    assert set(env.rewards.values()) == {0.0}
    env = ChessAECEnv(max_plies=9, claim_draws=False)
    env.reset()
    for action in [*(2 * shuffle), shuffle[0]]:
        assert not any(env.truncations.values())
        env.step(action)
    assert (env.terminations["player_1"], env.truncations["player_1"]) == (False, True)
