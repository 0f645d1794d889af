"""What both environments show of a game: the spaces, and observations of packed positions. Shapes: B games."""

from typing import Final, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agent.networks.residual.planes import PLANES, planes
from agent.rules import WORDS, Termination, observe, pack_moves
from agent.vocabulary import SIZE

Form = Literal["planes", "packed"]
Observations = dict[str, NDArray[np.generic]]
_MOST: Final = 655.36  # of an input plane: the half-move clock / 100, from any position


def observation_space(form: Form) -> spaces.Dict:
    """Of one game: `observation` and `action_mask`. Raises ValueError: `form` is unknown."""
    if form not in ("planes", "packed"):
        raise ValueError(f"observation {form!r} is neither 'planes' nor 'packed'")
    words = spaces.Box(0, np.iinfo(np.uint64).max, (WORDS,), np.uint64)
    box = spaces.Box(0, _MOST, (PLANES, 8, 8), np.float32) if form == "planes" else words
    return spaces.Dict({"observation": box, "action_mask": spaces.Box(0, 1, (SIZE,), np.int8)})


def look(positions: NDArray[np.uint64], form: Form, claim_draws: bool) -> tuple[Observations, NDArray[np.uint8]]:
    """Observations of packed positions [B, WORDS], whose masks are zero where the game has ended, and `Termination`
    codes [B]."""
    moves, counts, codes = observe(positions, claim_draws=claim_draws)
    counts[codes != Termination.NONE] = 0
    words = pack_moves(moves, counts).view(np.uint8)
    mask = np.unpackbits(words, axis=1, count=SIZE, bitorder="little").view(np.int8)
    return {"observation": planes(positions) if form == "planes" else positions.copy(), "action_mask": mask}, codes
