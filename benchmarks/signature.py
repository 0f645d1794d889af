"""One number that changes only when the search or the evaluation changes: `zeromass benchmark signature`. It is the
nodes that principal-variation search with the bundled weights needs to reach a fixed depth in a few varied positions,
each with an empty table. A change that is meant to leave the moves alone, as one of speed, leaves it too."""

from pathlib import Path
from typing import Final

import chess
from rich.table import Table

from agent.networks.bundled import find_weights
from agent.networks.contract import CompiledEvaluator
from agent.rules import Games
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.thinking import RootOptions
from benchmarks.measuring import Figures, Found, Progress, table

DEPTH: Final = 8
MEGABYTES: Final = 16
POSITIONS: Final = dict(line.split(": ") for line in Path(__file__).with_suffix(".txt").read_text().splitlines())


def nodes_to(search: PrincipalVariationSearch, fen: str, depth: int) -> int:
    """Nodes until `depth` is finished, to the node: coarse steps first, then single ones from the last of them on."""
    games, before = Games.from_boards([chess.Board(fen)]), 0
    for step in (1000, 1):
        search.resize(MEGABYTES)
        search.begin(games, RootOptions())
        search.run(before)
        while search.depth < depth:
            before = search.nodes
            if not search.run(step):
                break  # a mate is proven
    return search.nodes


def run(*, depth: int = DEPTH, progress: Progress = lambda line: None) -> Found:
    evaluator, figures, total = find_weights().weights.for_search(), Figures(), 0
    assert isinstance(evaluator, CompiledEvaluator)
    search = PrincipalVariationSearch(evaluator, MEGABYTES)
    progress(f"{len(POSITIONS)} positions to depth {depth} ...")
    for name, fen in POSITIONS.items():
        nodes = nodes_to(search, fen, depth)
        total += nodes
        figures.add(name, "nodes", [nodes], "nodes", fen=fen)
    figures.add("signature", "nodes", [total], "nodes")
    return figures.found


def show(found: Found) -> list[Table | str]:
    return [table(found, f"Nodes to depth {DEPTH}", "position"), f"signature {found['results'][-1]['value']}"]
