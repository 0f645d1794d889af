"""Speed of one peer, as JSON; `null` where it is not installed.

    python benchmarks/peers.py OpenSpiel

A library of rules plays plies on one core. Pgx + mctx makes simulations on all cores, as JAX does by itself.
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


def pgx_mctx(blocks: int = 3, channels: int = 32, simulations: int = 16, batch: int = 64, moves: int = 3) -> float:
    """With a small convolutional network as a user of these libraries would write it. It has residual blocks of two 3 x
    3 convolutions, a 1 x 1 policy head, and a pooled value head."""
    jax, jnp = import_module("jax"), import_module("jax.numpy")
    nn, mctx = import_module("flax.linen"), import_module("mctx")
    environment = import_module("pgx").make("chess")

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        @nn.compact  # type: ignore[untyped-decorator]
        def __call__(self, x: Any) -> Any:
            x = nn.relu(nn.Conv(channels, (3, 3))(x))
            for _ in range(blocks):
                y = nn.relu(nn.Conv(channels, (3, 3))(x))
                x = nn.relu(x + nn.Conv(channels, (3, 3))(y))
            policy = nn.Conv(73, (1, 1))(x).reshape(x.shape[0], -1)
            return policy, jnp.tanh(nn.Dense(1)(x.mean((1, 2))))[:, 0]

    network = Network()
    state = jax.jit(jax.vmap(environment.init))(jax.random.split(jax.random.PRNGKey(0), batch))
    parameters = network.init(jax.random.PRNGKey(1), state.observation)

    def expand(parameters: Any, _key: Any, action: Any, state: Any) -> Any:
        player = state.current_player
        state = jax.vmap(environment.step)(state, action)
        logits, value = network.apply(parameters, state.observation)
        logits = jnp.where(state.legal_action_mask, logits, jnp.finfo(logits.dtype).min)
        output = mctx.RecurrentFnOutput(
            reward=state.rewards[jnp.arange(batch), player],
            discount=jnp.where(state.terminated, 0.0, -jnp.ones_like(value)),
            prior_logits=logits,
            value=jnp.where(state.terminated, 0.0, value),
        )
        return output, state

    def play(state: Any, key: Any) -> Any:
        logits, value = network.apply(parameters, state.observation)
        root = mctx.RootFnOutput(prior_logits=logits, value=value, embedding=state)
        illegal = ~state.legal_action_mask
        output = mctx.gumbel_muzero_policy(parameters, key, root, expand, simulations, invalid_actions=illegal)
        return jax.vmap(environment.step)(state, output.action)

    play_move = jax.jit(play)
    state = jax.block_until_ready(play_move(state, jax.random.PRNGKey(2)))
    started = perf_counter()
    for move in range(moves):
        state = jax.block_until_ready(play_move(state, jax.random.PRNGKey(3 + move)))
    return moves * batch * simulations / (perf_counter() - started)


PEERS: dict[str, tuple[str, Callable[[], float]]] = {
    "OpenSpiel": ("pyspiel", open_spiel),
    "python-chess": ("chess", python_chess),
    "Pgx": ("pgx", pgx),
    "Pgx + mctx": ("pgx jax flax mctx", pgx_mctx),
}


def main() -> None:
    modules, measure = PEERS[sys.argv[1]]
    if not all(find_spec(module) for module in modules.split()):
        print("null")
        return
    if measure is not pgx_mctx and hasattr(os, "sched_setaffinity"):  # JAX would take all cores
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    random.seed(0)
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()
