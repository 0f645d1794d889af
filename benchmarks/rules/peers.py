"""One peer's plies a second on one core, as JSON; `null` where the peer is not installed.

    python benchmarks/rules/peers.py OpenSpiel

Imports nothing of ZeroMass, so that it runs in an environment that has only the peers.
"""

import json
import os
import random
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any


def open_spiel(plies: int = 15_000) -> float:
    game = import_module("pyspiel").load_game("chess")
    state, started = game.new_initial_state(), perf_counter()
    for _ in range(plies):
        if state.is_terminal():
            state = game.new_initial_state()
        state.observation_tensor()
        state.legal_actions_mask()
        state.apply_action(random.choice(state.legal_actions()))
    return plies / (perf_counter() - started)


def python_chess(plies: int = 10_000) -> float:
    chess = import_module("chess")
    board, played, started = chess.Board(), 0, perf_counter()
    while played < plies:
        moves = list(board.legal_moves)
        if not moves or board.outcome(claim_draw=False) is not None or board.ply() > 400:
            board = chess.Board()
            continue
        board.push(random.choice(moves))
        played += 1
    return plies / (perf_counter() - started)


def pgx(batch: int = 512, steps: int = 20) -> float:
    jax, jnp = import_module("jax"), import_module("jax.numpy")
    environment = import_module("pgx").make("chess")

    def play(state: Any, key: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            state, key = carry
            key, chooser = jax.random.split(key)
            logits = jnp.where(state.legal_action_mask, 0.0, -jnp.inf)
            state = jax.vmap(environment.step)(state, jax.random.categorical(chooser, logits, axis=-1))
            return (state, key), state.observation.mean()

        return jax.lax.scan(step, (state, key), None, length=steps)

    rollout = jax.jit(play)
    state = jax.jit(jax.vmap(environment.init))(jax.random.split(jax.random.PRNGKey(0), batch))
    jax.block_until_ready(rollout(state, jax.random.PRNGKey(1)))
    started = perf_counter()
    jax.block_until_ready(rollout(state, jax.random.PRNGKey(2)))
    return batch * steps / (perf_counter() - started)


PEERS: dict[str, tuple[str, Callable[[], float]]] = {
    "OpenSpiel": ("pyspiel", open_spiel),
    "python-chess": ("chess", python_chess),
    "Pgx": ("pgx", pgx),
}


def main() -> None:
    module, measure = PEERS[sys.argv[1]]
    if find_spec(module) is None:
        print("null")
        return
    if hasattr(os, "sched_setaffinity"):  # JAX would take all cores
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    random.seed(0)
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()
