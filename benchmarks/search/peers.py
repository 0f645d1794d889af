"""Simulations a second of Pgx + mctx with a small convolutional network, as JSON; `null` where they are not installed.

    python benchmarks/search/peers.py

The network is the one a user of these libraries would write: residual blocks of two 3 x 3 convolutions, a 1 x 1 policy
head, a pooled value head. All cores are used, as JAX does by itself.
Imports nothing of ZeroMass, so that it runs in an environment that has only the peers.
"""

import json
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any


def simulations_a_second(
    blocks: int = 3, channels: int = 32, simulations: int = 16, batch: int = 64, moves: int = 3
) -> float:
    jax, jnp, mctx = import_module("jax"), import_module("jax.numpy"), import_module("mctx")
    nn = import_module("flax.linen")
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
        output = mctx.gumbel_muzero_policy(
            parameters, key, root, expand, simulations, invalid_actions=~state.legal_action_mask
        )
        return jax.vmap(environment.step)(state, output.action)

    play_move = jax.jit(play)
    state = jax.block_until_ready(play_move(state, jax.random.PRNGKey(2)))
    started = perf_counter()
    for move in range(moves):
        state = jax.block_until_ready(play_move(state, jax.random.PRNGKey(3 + move)))
    return moves * batch * simulations / (perf_counter() - started)


def main() -> None:
    if any(find_spec(module) is None for module in ("jax", "flax", "mctx", "pgx")):
        print("null")
        return
    print(json.dumps(simulations_a_second()))


if __name__ == "__main__":
    main()
