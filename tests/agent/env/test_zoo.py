"""The PettingZoo environment: by PettingZoo's own tests, and beside python-chess."""

import warnings

import chess
import numpy as np
import pytest
from pettingzoo.test import api_test, seed_test

from agent import rules, vocabulary
from agent.env.vector import Form
from agent.env.zoo import ChessAECEnv
from agent.networks.residual.planes import planes
from agent.rules import Termination
from tests.agent.rules.oracle import expected_moves


@pytest.mark.parametrize("form", ["planes", "packed"])
def test_pettingzoos_own_tests(form: Form) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        api_test(ChessAECEnv("ansi", observation=form, max_plies=150), num_cycles=300)
    # It warns of dictionaries, such as its own chess shows; those it knows by name.
    dictionaries = ("Observation is not a NumPy array", "Observation space for each agent probably should be")
    assert [str(one.message) for one in caught if not str(one.message).startswith(dictionaries)] == []
    seed_test(lambda: ChessAECEnv(observation=form), num_cycles=200)


def play(env: ChessAECEnv, *sans: str) -> None:
    """Play a game from the start, comparing what both sides see with python-chess."""
    board = chess.Board()
    env.reset(seed=0)
    for san in sans:
        mover, other = ("player_0", "player_1") if board.turn else ("player_1", "player_0")
        assert (env.agent_selection, env.render(), any(env.truncations.values())) == (mover, str(board), False)
        seen, reward, *_ = env.last()
        assert reward == 0
        assert np.flatnonzero(seen["action_mask"]).tolist() == expected_moves(board)
        np.testing.assert_array_equal(seen["observation"], planes(rules.from_board(board)[None])[0])
        turned = board.copy(stack=False)
        turned.turn, turned.ep_square = not board.turn, None
        waiting = env.observe(other)
        np.testing.assert_array_equal(waiting["observation"], planes(rules.from_board(turned)[None])[0])
        assert not waiting["action_mask"].any()
        env.step(vocabulary.from_uci(board.push_san(san).uci(), black=mover == "player_1"))


def test_games_as_each_side_sees_them_and_their_ends() -> None:
    env = ChessAECEnv("ansi")
    play(env, "f3", "e5", "g4", "Qh4#")
    assert env.rewards == {"player_0": -1.0, "player_1": 1.0}
    assert (all(env.terminations.values()), any(env.truncations.values())) == (True, False)
    assert env.infos["player_0"]["termination"] == Termination.CHECKMATE
    assert not env.observe("player_0")["action_mask"].any()
    shuffle = 2 * ("Nf3", "Nf6", "Ng1", "Ng8")
    play(env, *shuffle)
    assert (env.rewards["player_0"], env.terminations["player_1"]) == (0, True)
    assert env.infos["player_0"]["termination"] == Termination.THREEFOLD_REPETITION
    env = ChessAECEnv("ansi", max_plies=9, claim_draws=False)
    play(env, *shuffle, "Nf3")
    mask = env.observe("player_1")["action_mask"]
    assert (env.terminations["player_1"], env.truncations["player_1"], bool(mask.any())) == (False, True, False)
    env.reset()
    with pytest.raises(ValueError, match="move 0 of row 0 is not legal"):
        env.step(0)
    assert env.agent_selection == "player_0"
