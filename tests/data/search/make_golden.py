"""Writes the results in golden.npz anew: those of mctx's gumbel_muzero_policy for the searches that it holds.

    python make_golden.py            # needs mctx 0.0.71 and jax 0.10.2, not the project

The trees unroll random graphs of S states with A actions each: `next[s, a]` is the state after an action,
`logits[s, a]` and `values[s]` a network's output, `terminal[s]` whether the game ends there with exactly
`values[s]`. Values are those of the side to move; the sides alternate. Each case is a search from a root, with
its numbers of simulations and considered actions and its Gumbel noise.

A state of the last group has fewer legal actions than A (`legal[s]` of them, the first). mctx stretches
completed values to 0..1 over illegal actions too, whose completed value is the mixed one; ours never looks
at an illegal action. The two differ only where all legal actions of a state were visited, so cases in
which that happened were left out of this group; in all others every action is legal."""

from pathlib import Path
from typing import Any

import jax  # type: ignore[import-not-found]
import jax.numpy as jnp  # type: ignore[import-not-found]
import mctx  # type: ignore[import-not-found]
import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("golden.npz")


def search(graph: dict[str, Any], roots: Any, gumbel: NDArray[Any], simulations: int, considered: int) -> Any:
    illegal = jnp.arange(graph["logits"].shape[1]) >= graph["legal"][:, None]
    logits = jnp.where(illegal, -1e9, graph["logits"])

    def expand(_params: Any, _key: Any, action: Any, state: Any) -> tuple[Any, Any]:
        following = graph["next"][state, action].astype(jnp.int32)
        ended, value = graph["terminal"][following], graph["values"][following]
        output = mctx.RecurrentFnOutput(
            reward=jnp.where(ended, -value, 0.0),
            discount=jnp.where(ended, 0.0, -1.0),
            prior_logits=logits[following],
            value=jnp.where(ended, 0.0, value),
        )
        return output, following

    jax.random.gumbel = lambda *_args, **_kwargs: jnp.asarray(gumbel)
    return mctx.gumbel_muzero_policy(
        None,
        jax.random.PRNGKey(0),
        mctx.RootFnOutput(prior_logits=logits[roots], value=graph["values"][roots], embedding=roots),
        expand,
        simulations,
        invalid_actions=illegal[roots],
        max_num_considered_actions=considered,
    )


def main() -> None:
    arrays = dict(np.load(FILE))
    for group in sorted({name.split("_")[0] for name in arrays}):
        own = {name.split("_")[1]: array for name, array in arrays.items() if name.startswith(f"{group}_")}
        graph = {name: jnp.asarray(own[name]) for name in ("next", "logits", "values", "terminal", "legal")}
        sizes = np.stack([own["simulations"], own["considered"]], 1)
        for size in np.unique(sizes, axis=0):
            rows = (sizes == size).all(1)
            roots = jnp.asarray(own["roots"][rows], jnp.int32)
            output = search(graph, roots, own["gumbel"][rows], *map(int, size))
            summary = output.search_tree.summary()
            own["actions"][rows], own["policies"][rows] = output.action, output.action_weights
            own["visits"][rows], own["means"][rows] = summary.visit_counts, summary.value
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
