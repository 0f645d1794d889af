"""The masked softmax as nodes of an ONNX graph, for other runtimes. Like the kernels it ignores illegal logits."""

from collections.abc import Callable

import numpy as np


def masked_softmax(add: Callable[..., str], logits: str, legal: str) -> str:
    """Add exp(x) / sum of exp(x) over the legal entries: logits float [B, N], legal bool [B, N]. A row without a legal
    entry is zero. `add(operator, *inputs, **attributes)` adds a node, returns its output; inputs: names or arrays."""
    last, nothing = np.array([1], np.int64), np.float32(0)
    lowest = np.float32(np.finfo(np.float32).min)
    peak = add("ReduceMax", add("Where", legal, logits, lowest), last, keepdims=1)
    # Illegal entries are set to the peak first: their exponential is finite, and then left out.
    weights = add("Where", legal, add("Exp", add("Sub", add("Where", legal, logits, peak), peak)), nothing)
    total = add("ReduceSum", weights, last, keepdims=1)
    return add("Div", weights, add("Max", total, np.float32(np.finfo(np.float32).tiny)))
