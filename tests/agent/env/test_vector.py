"""The vector environment beside Gymnasium's own, and by Gymnasium's checker; test_zoo compares with python-chess."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import chess
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from agent import rules
from agent.env.vector import ID, ChessVectorEnv
from agent.networks.residual.planes import planes
from agent.players.player import RandomPlayer
from agent.rules import Termination

ENDINGS = (
    *("7k/8/6QK/8/8/8/8/8 w - - 0 1", "k7/2Q5/8/8/8/8/8/7K w - - {late} 80", "7k/8/8/8/8/8/8/Kq6 w - - 0 1"),
    *("8/8/8/8/8/1k6/7r/K7 w - - 3 9", "k7/2K5/8/8/8/8/8/1R6 w - - 0 1", chess.STARTING_FEN),
)


def begin_at(envs: ChessVectorEnv, fens: Sequence[str]) -> ChessVectorEnv:
    """Let each game begin there."""
    starts, reset = np.array([rules.from_fen(fen) for fen in fens]), envs.games.reset
    envs.games.reset = lambda rows: reset(rows, starts[rows])  # type: ignore[assignment, method-assign, misc]
    return envs


class One(gymnasium.Env[Any, Any]):
    """A vector environment of one game as a plain one, for Gymnasium's own; a legal move in place of an illegal one."""

    def __init__(self, fen: str = chess.STARTING_FEN, **options: Any) -> None:
        self.games, self.render_mode = begin_at(ChessVectorEnv(1, autoreset_mode="Disabled", **options), [fen]), None
        self.observation_space, self.action_space = self.games.single_observation_space, gymnasium.spaces.Discrete(1880)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seen, infos = map(first, self.games.reset(seed=seed))
        return self.seen, infos

    def step(self, action: int) -> Any:
        mask = self.seen["action_mask"]
        seen, *outcome, infos = self.games.step([action if mask[action] else mask.argmax()])
        self.seen = first(seen)
        return self.seen, *(one[0].item() for one in outcome), first(infos)


def first(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: array[0] for name, array in arrays.items() if name[0] != "_"}


@pytest.mark.parametrize("claim_draws", [True, False])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_step_is_that_of_gymnasiums_environment_of_single_games(mode: AutoresetMode, claim_draws: bool) -> None:
    """Observations, rewards, ends by every rule, and what is reset when."""
    fens, games = [fen.format(late=97 if claim_draws else 147) for fen in ENDINGS], len(ENDINGS)
    options: Any = {"observation": "packed", "max_plies": 40, "claim_draws": claim_draws}
    theirs: Any = SyncVectorEnv([partial(One, fen, **options) for fen in fens], autoreset_mode=mode)
    ours = begin_at(ChessVectorEnv(games, autoreset_mode=mode, **options), fens)
    generator, seen, over = np.random.default_rng(0), set[int](), np.zeros(games, np.bool_)
    assert data_equivalence(ours.reset(seed=0), theirs.reset(seed=0), exact=True)
    for _ in range(400):
        if mode == AutoresetMode.DISABLED and over.any():
            with pytest.raises(ValueError, match=f"game {over.argmax()} is over"):
                ours.step(np.zeros(games, np.int64))
            ours.reset(options={"reset_mask": over})
            theirs.reset(options={"reset_mask": over.copy()})
        mask = ours._look()[0]["action_mask"]
        # In the last game there are few moves to choose from, so that positions repeat.
        moves = [np.flatnonzero(row)[: 2 if number == games - 1 else None] for number, row in enumerate(mask)]
        actions = np.array([generator.choice(row) if len(row) else 0 for row in moves])
        found, expected = ours.step(actions), theirs.step(actions)
        for info in (found[-1], expected[-1]):  # of final infos theirs has zeros in games that go on
            seen |= set(info.pop("final_info", info)["termination"].tolist())
        assert data_equivalence(found, expected, exact=True)
        over = found[2] | found[3]
    claims = {Termination.FIFTY_MOVES, Termination.THREEFOLD_REPETITION}
    assert seen >= {*range(4), Termination.TRUNCATED, *(claims if claim_draws else {Termination.SEVENTYFIVE_MOVES})}
    assert claim_draws or not seen & claims


@pytest.mark.parametrize("options", [{}, {"observation": "packed", "opponent": RandomPlayer, "opening_plies": 6}])
def test_gymnasiums_checker_and_a_batch_made_by_name(options: dict[str, Any]) -> None:
    check_env(One(**options), skip_render_check=True)
    envs: Any = gymnasium.make_vec(ID, 5, **{**options, "opening_plies": 20})
    seen, infos = envs.reset(seed=1)
    assert envs.observation_space.contains(seen)
    assert envs.action_space.contains(seen["action_mask"].argmax(1))
    assert infos["action_mask"] is seen["action_mask"]
    positions = envs.unwrapped.games.positions
    np.testing.assert_array_equal(seen["observation"], positions if options else planes(positions))
    assert len(np.unique(positions, axis=0)) == 5


def test_an_opponent_replies_for_either_side_and_its_mates_cost() -> None:
    envs = ChessVectorEnv(64, opponent=RandomPlayer, observation="packed", opening_plies=3, max_plies=400)
    seen, _ = envs.reset(seed=3)
    generator, rewards = np.random.default_rng(0), set[float]()
    sides, over = rules.is_black(envs.games.positions), np.zeros(64, np.bool_)
    assert 10 < sides.sum() < 54
    for _ in range(500):
        actions = [generator.choice(np.flatnonzero(row)) if row.any() else -1 for row in seen["action_mask"]]
        seen, reward, terminations, truncations, infos = envs.step(actions)
        blacks = rules.is_black(envs.games.positions)
        assert (blacks == sides)[~over & ~(terminations | truncations)].all()  # two plies on
        mates = infos["termination"] == Termination.CHECKMATE
        # The side to move was mated: the agent's own where the reply mated.
        np.testing.assert_array_equal(reward, np.where(mates, np.where(blacks == sides, -1.0, 1.0), 0.0))
        sides, over = np.where(over, blacks, sides), terminations | truncations
        rewards |= set(reward.tolist())
    assert rewards == {-1.0, 0.0, 1.0}


def test_bad_arguments_are_value_errors() -> None:
    envs = ChessVectorEnv(2)
    seen, _ = envs.reset()
    with pytest.raises(ValueError, match="move 0 of row 1 is not legal in rnbq"):
        envs.step([seen["action_mask"][0].argmax(), 0])
    np.testing.assert_array_equal(envs.games.positions, rules.start(2))
    with pytest.raises(ValueError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.zeros(3, np.bool_)})
    for option, bad in (("num_envs", 0), ("max_plies", 1), ("observation", "pixels"), ("autoreset_mode", "never")):
        with pytest.raises(ValueError, match=str(bad)):
            ChessVectorEnv(**{option: bad})  # type: ignore[arg-type]
