"""Many games of chess as one Gymnasium vector environment, on the compiled rules. Shapes: B games."""

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
from gymnasium import register, spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from agent import rules
from agent.networks.residual.planes import PLANES, planes
from agent.players.player import Player
from agent.rules import Games, Termination
from agent.vocabulary import SIZE

ID: Final = "zeromass/Chess-v0"
MOST: Final = 655.36  # of an input plane: the half-move clock / 100, from any position
Form = Literal["planes", "packed"]
Observations = dict[str, NDArray[np.generic]]
Step = tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


def observation_space(form: Form) -> spaces.Dict:
    """Of one game: `observation` and `action_mask`. Raises ValueError: `form` is unknown."""
    if form not in ("planes", "packed"):
        raise ValueError(f"observation {form!r} is neither 'planes' nor 'packed'")
    words = spaces.Box(0, np.iinfo(np.uint64).max, (rules.WORDS,), np.uint64)
    box = spaces.Box(0, MOST, (PLANES, 8, 8), np.float32) if form == "planes" else words
    return spaces.Dict({"observation": box, "action_mask": spaces.Box(0, 1, (SIZE,), np.int8)})


def look(positions: NDArray[np.uint64], form: Form, claim_draws: bool) -> tuple[Observations, NDArray[np.uint8]]:
    """Observations of packed positions [B, WORDS], whose masks are zero where the game has ended, and `Termination`
    codes [B]."""
    moves, counts, codes = rules.observe(positions, claim_draws=claim_draws)
    counts[codes != Termination.NONE] = 0
    words = rules.pack_moves(moves, counts).view(np.uint8)
    mask = np.unpackbits(words, axis=1, count=SIZE, bitorder="little").view(np.int8)
    return {"observation": planes(positions) if form == "planes" else positions.copy(), "action_mask": mask}, codes


class ChessVectorEnv(VectorEnv[Observations, NDArray[np.int64], NDArray[Any]]):
    """B games, each seen from the side to move. An action is an index of `agent.vocabulary`.

    Without an opponent a step is one ply in every game, by White and Black in turn, and the reward is the mover's. With
    one, a step is a move and the reply; the side is drawn at each reset. The reward is 1 for giving mate, -1 for the
    reply that mates, else 0. `infos` has `action_mask` and `termination`, a code of `agent.rules.Termination`; in ended
    games masks are zero, and the action of the step that resets them is ignored.

    opponent: makes a player (`agent.players`) from a seed; called at each seeded reset, with a seed drawn from it.
    observation: `planes`, float32 [21, 8, 8], or `packed`, uint64 [8].
    opening_plies: each game begins with 0 to as many random plies.
    max_plies: games are truncated there, openings included. claim_draws: whether 50 moves and threefold repetition end
    a game, or only 75 moves and fivefold repetition."""

    def __init__(
        self,
        num_envs: int = 1,
        *,
        opponent: Callable[[int], Player] | None = None,
        observation: Form = "planes",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        opening_plies: int = 0,
        max_plies: int | None = None,
        claim_draws: bool = True,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs {num_envs} is not at least 1")
        if max_plies is not None and max_plies <= opening_plies + 1:
            raise ValueError(f"max_plies {max_plies} leaves no room for an opening of {opening_plies} plies and a move")
        self.num_envs, self.autoreset_mode = num_envs, AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode}
        self.single_observation_space = observation_space(observation)
        self.single_action_space = spaces.Discrete(SIZE)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.games = Games(num_envs)  # to be read: packed positions, plies
        self._make_opponent, self._opponent = opponent, None if opponent is None else opponent(0)
        self.form: Form = observation
        self._claim_draws, self._opening_plies = claim_draws, opening_plies
        self._most = np.iinfo(np.int32).max if max_plies is None else max_plies
        self._over = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """New games in all rows, or in those of `options["reset_mask"]`, bool [B]. Raises ValueError: the mask has
        another shape or dtype."""
        super().reset(seed=seed)
        if seed is not None and self._make_opponent is not None:
            self._opponent = self._make_opponent(int(self.np_random.integers(2**31)))
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        if mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(f"reset_mask must be bool [{self.num_envs}], not {mask.dtype} {list(mask.shape)}")
        self._begin(np.flatnonzero(mask))
        observations, codes = self._look()
        return observations, _infos(observations, codes)

    def step(self, actions: ArrayLike) -> Step:
        """One step in every game. Raises ValueError: an action is not a legal move, and no game has changed; or a game
        is over that is not reset automatically."""
        ended = self._over.copy()
        if self.autoreset_mode == AutoresetMode.DISABLED and ended.any():
            raise ValueError(f"game {ended.argmax()} is over; reset it with options={{'reset_mask': ...}}")
        rows = np.flatnonzero(~ended)
        self.games.play(np.asarray(actions)[rows], rows)
        replied = np.zeros(self.num_envs, np.bool_)
        if self._opponent is not None:
            replied[rows] = self._codes(rows) == Termination.NONE
            self._reply(np.flatnonzero(replied))
        self._begin(np.flatnonzero(ended))
        observations, codes = self._look()
        mated = (codes == Termination.CHECKMATE) & ~ended
        rewards = np.where(mated, np.where(replied, -1.0, 1.0), 0.0)
        terminations = codes != Termination.NONE
        truncations = ~terminations & (self.games.ply >= self._most)
        self._over = terminations | truncations
        codes[truncations], observations["action_mask"][truncations] = Termination.TRUNCATED, 0
        infos = _infos(observations, codes)
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._over.any():
            observations, infos = self._reset_now(observations, infos)
        return observations, rewards, terminations, truncations, infos

    def _reset_now(self, observations: Observations, infos: dict[str, Any]) -> tuple[Observations, dict[str, Any]]:
        """New games where some have ended; their last observations and infos go into the infos."""
        over, final = self._over.copy(), np.full(self.num_envs, None, object)
        for row in np.flatnonzero(over):
            final[row] = {name: array[row] for name, array in observations.items()}
        last = {name: values & over if name[0] == "_" else values for name, values in infos.items()}
        self._begin(np.flatnonzero(over))
        observations, codes = self._look()
        ended = {"final_obs": final, "_final_obs": over.copy(), "final_info": last, "_final_info": over.copy()}
        return observations, _infos(observations, codes) | ended

    def _begin(self, rows: NDArray[np.int64]) -> None:
        """Start games that are not over when the agent is to move."""
        sides = self.np_random.integers(2, size=len(rows)) if self._opponent is not None else np.zeros(len(rows))
        pending = rows
        while len(pending):
            self.games.reset(pending)
            plies = self.np_random.integers(self._opening_plies + 1, size=len(pending))
            for ply in range(self._opening_plies):
                moving = pending[(plies > ply) & (self._codes(pending) == Termination.NONE)]
                moves, counts = rules.legal_moves(self.games.positions[moving])
                drawn = moves[np.arange(len(moving)), self.np_random.integers(counts)]
                self.games.play(drawn, moving, check=False)
            if self._opponent is not None:
                blacks = rules.is_black(self.games.positions[rows])
                going = self._codes(rows) == Termination.NONE
                self._reply(np.intersect1d(rows[(blacks != sides) & going], pending))
            pending = pending[self._codes(pending) != Termination.NONE]
        self._over[rows] = False

    def _reply(self, rows: NDArray[np.int64]) -> None:
        if self._opponent is not None and len(rows):
            self.games.play(self._opponent.choose(self.games.take(rows)).moves, rows)

    def _codes(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return rules.outcome(self.games.positions[rows], claim_draws=self._claim_draws)

    def _look(self) -> tuple[Observations, NDArray[np.uint8]]:
        return look(self.games.positions, self.form, self._claim_draws)


def _infos(observations: Observations, codes: NDArray[np.uint8]) -> dict[str, Any]:
    everyone = np.ones(len(codes), np.bool_)
    mask = observations["action_mask"]
    return {"action_mask": mask, "_action_mask": everyone, "termination": codes, "_termination": everyone.copy()}


register(ID, vector_entry_point="agent.env.vector:ChessVectorEnv")
