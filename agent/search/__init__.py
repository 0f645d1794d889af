"""Batched Gumbel search over the compiled rules. See docs/search.md."""

from agent.networks.contract import CompiledEvaluator, LeafEvaluator
from agent.search.compiled import material_evaluator
from agent.search.gumbel import GumbelSearch
from agent.search.result import SearchResult
from agent.search.settings import SearchSettings, playing

__all__ = [
    "CompiledEvaluator", "GumbelSearch", "LeafEvaluator", "SearchResult", "SearchSettings",
    "material_evaluator", "playing",
]  # fmt: skip
