"""Two searches over the compiled rules: batched Gumbel search, and principal-variation search. See docs/search.md."""

from agent.networks.contract import CompiledEvaluator, LeafEvaluator
from agent.search.compiled import material_evaluator
from agent.search.gumbel.result import SearchResult
from agent.search.gumbel.search import GumbelSearch
from agent.search.settings import SearchSettings, playing

__all__ = [
    "CompiledEvaluator", "GumbelSearch", "LeafEvaluator", "SearchResult", "SearchSettings",
    "material_evaluator", "playing",
]  # fmt: skip
