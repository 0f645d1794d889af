"""Writes golden.npz: results of mctx's gumbel_muzero_policy on small random trees.

    python make_golden.py            # needs mctx 0.0.71 and jax 0.10.2, not the project

The trees unroll random graphs of S states with A actions each: `next[s, a]` is the state after an action,
`logits[s, a]` and `values[s]` a network's output, `terminal[s]` whether the game ends there with exactly
`values[s]`. Values are those of the side to move; the sides alternate.

A state of the last group has fewer legal actions than A (`legal[s]` of them, the first). mctx stretches
completed values to 0..1 over illegal actions too, whose completed value is the mixed one; ours never looks
at an illegal action. The two differ only where all legal actions of a state were visited, so cases in
which that happened are left out of this group; in all others every action is legal.
"""

from pathlib import Path
from typing import Any

import jax  # type: ignore[import-not-found]
import jax.numpy as jnp  # type: ignore[import-not-found]
import mctx  # type: ignore[import-not-found]
import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
STATES = 48
ACTIONS = (2, 3, 5, 8, 16, 30)
SEARCHES = ((1, 16), (4, 4), (8, 16), (16, 8), (24, 3), (32, 16), (48, 1), (64, 16))
BATCH = 12
MASKED_ACTIONS = 24


def graph(rng: np.random.Generator, actions: int, masked: bool) -> Arrays:
    values = rng.uniform(-0.9, 0.9, STATES).astype(np.float32)
    terminal = rng.random(STATES) < 0.15
    values[terminal] = rng.choice(np.array([-1.0, 0.0], np.float32), int(terminal.sum()))
    legal = rng.integers(12, actions + 1, STATES) if masked else np.full(STATES, actions)
    return {
        "next": rng.integers(0, STATES, (STATES, actions)).astype(np.uint8),
        "logits": rng.normal(0, 1.5, (STATES, actions)).astype(np.float32),
        "values": values,
        "terminal": terminal,
        "legal": legal.astype(np.uint8),
    }


def search(graph: Arrays, roots: NDArray[Any], gumbel: NDArray[Any], simulations: int, considered: int) -> Any:
    tables = {name: jnp.asarray(array) for name, array in graph.items()}
    actions = graph["logits"].shape[1]
    illegal = np.arange(actions) >= graph["legal"][:, None]
    logits = jnp.where(illegal, -1e9, tables["logits"])

    def expand(_params: Any, _key: Any, action: Any, state: Any) -> tuple[Any, Any]:
        following = tables["next"][state, action].astype(jnp.int32)
        ended, value = tables["terminal"][following], tables["values"][following]
        output = mctx.RecurrentFnOutput(
            reward=jnp.where(ended, -value, 0.0),
            discount=jnp.where(ended, 0.0, -1.0),
            prior_logits=logits[following],
            value=jnp.where(ended, 0.0, value),
        )
        return output, following

    states = jnp.asarray(roots, jnp.int32)
    root = mctx.RootFnOutput(prior_logits=logits[states], value=tables["values"][states], embedding=states)
    drawn = jax.random.gumbel
    jax.random.gumbel = lambda *_args, **_kwargs: jnp.asarray(gumbel)
    try:
        return mctx.gumbel_muzero_policy(
            None,
            jax.random.PRNGKey(0),
            root,
            expand,
            simulations,
            invalid_actions=jnp.asarray(illegal[roots]),
            max_num_considered_actions=considered,
        )
    finally:
        jax.random.gumbel = drawn


def comparable(graph: Arrays, output: Any) -> NDArray[Any]:
    """[B] whether no state with illegal actions had all its legal ones visited."""
    tree = output.search_tree
    visited = (np.asarray(tree.children_visits) > 0).sum(-1)
    legal = graph["legal"][np.asarray(tree.embeddings)]
    used = (np.asarray(tree.node_visits) > 0) & ~graph["terminal"][np.asarray(tree.embeddings)]
    full = used & (visited >= legal) & (legal < graph["logits"].shape[1])
    result: NDArray[Any] = ~full.any(-1)
    return result


def main() -> None:
    rng = np.random.default_rng(20221)
    arrays: Arrays = {}
    total = 0
    groups = [(actions, False) for actions in ACTIONS] + [(MASKED_ACTIONS, True)]
    for number, (actions, masked) in enumerate(groups):
        tables = graph(rng, actions, masked)
        arrays |= {f"{number}_{name}": array for name, array in tables.items()}
        kept: dict[str, list[NDArray[Any]]] = {}
        for simulations, considered in SEARCHES:
            roots = rng.choice(np.flatnonzero(~tables["terminal"]), BATCH)
            gumbel = rng.gumbel(size=(BATCH, actions)).astype(np.float32)
            if simulations == 24:
                gumbel[:] = 0
            output = search(tables, roots, gumbel, simulations, considered)
            rows = np.flatnonzero(comparable(tables, output))
            summary = output.search_tree.summary()
            found: Arrays = {
                "roots": roots.astype(np.uint8),
                "simulations": np.full(BATCH, simulations, np.uint8),
                "considered": np.full(BATCH, considered, np.uint8),
                "gumbel": gumbel,
                "actions": np.asarray(output.action).astype(np.uint8),
                "policies": np.asarray(output.action_weights),
                "visits": np.asarray(summary.visit_counts).astype(np.uint8),
                "means": np.asarray(summary.value),
            }
            for name, array in found.items():
                kept.setdefault(name, []).append(array[rows])
        arrays |= {f"{number}_{name}": np.concatenate(parts) for name, parts in kept.items()}
        total += len(arrays[f"{number}_roots"])
    np.savez_compressed(Path(__file__).with_name("golden.npz"), **arrays)  # type: ignore[arg-type]
    print(f"{total} cases")


if __name__ == "__main__":
    main()
