"""One game of chess as a PettingZoo AEC environment: a vector environment of one."""

from typing import Any, Final

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv

from agent import rules
from agent.env.vector import ChessVectorEnv, Observations, look
from agent.rules.convert import from_history
from agent.vocabulary import SIZE

AGENTS: Final = ("player_0", "player_1")  # White, Black; named as PettingZoo recommends


class ChessAECEnv(AECEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """A game between `player_0`, who is White, and `player_1`, each of whom sees it from their own side.

    Rewards at the end: 1 for the winner, -1 for the loser, 0 in draws. The mask of an agent that is not to move is
    zero. An illegal action is a ValueError, and the game has not changed; PettingZoo's `TerminateIllegalWrapper` makes
    it a loss. `options` are `observation`, `opening_plies`, `max_plies` and `claim_draws` of `ChessVectorEnv`."""

    metadata: Final = {"name": "zeromass_chess_v0", "render_modes": ["ansi"], "is_parallelizable": False}

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        super().__init__()
        self.render_mode, self._games = render_mode, ChessVectorEnv(1, autoreset_mode="Disabled", **options)
        self.possible_agents = list(AGENTS)
        self.observation_spaces = dict.fromkeys(AGENTS, self._games.single_observation_space)
        self.action_spaces = {agent: spaces.Discrete(SIZE) for agent in AGENTS}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Of either agent."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete[np.int64]:
        """Of either agent."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start a new game; the seed fixes its opening."""
        self.agents = list(AGENTS)
        self.rewards, self._cumulative_rewards = dict.fromkeys(AGENTS, 0.0), dict.fromkeys(AGENTS, 0.0)
        self.terminations, self.truncations = dict.fromkeys(AGENTS, False), dict.fromkeys(AGENTS, False)
        self._turn(*self._games.reset(seed=seed))

    def observe(self, agent: str) -> Observations:
        """The game as `agent` sees it; arrays of one game, without a batch."""
        observation = self._seen["observation"]
        if agent != self._mover:  # the same board from the other side, without repetitions
            board = rules.to_board(self._games.games.positions[0])
            board.turn, board.ep_square = not board.turn, None
            observation = look(from_history(board)[None], self._games.form, True)[0]["observation"]
        return {"observation": observation[0], "action_mask": self.infos[agent]["action_mask"]}

    def step(self, action: int | None) -> None:
        """Play a move; None for an agent whose game is over. Raises ValueError: see the class."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        seen, rewards, terminations, truncations, infos = self._games.step(np.array([action]))
        self._cumulative_rewards[agent] = 0.0
        self.rewards = {one: float(rewards[0] if one == agent else 0.0 - rewards[0]) for one in AGENTS}
        self.terminations = dict.fromkeys(AGENTS, bool(terminations[0]))
        self.truncations = dict.fromkeys(AGENTS, bool(truncations[0]))
        self._accumulate_rewards()
        self._turn(seen, infos)

    def render(self) -> str | None:
        """The board as text where the render mode is `ansi`."""
        return str(rules.to_board(self._games.games.positions[0])) if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Nothing is left to close."""

    def _turn(self, seen: Observations, infos: dict[str, Any]) -> None:
        self._seen, mask, code = seen, infos["action_mask"][0], int(infos["termination"][0])
        self._mover = self.agent_selection = AGENTS[int(rules.is_black(self._games.games.positions)[0])]
        masks = {agent: mask if agent == self._mover else np.zeros_like(mask) for agent in AGENTS}
        self.infos = {agent: {"action_mask": masks[agent], "termination": code} for agent in AGENTS}
