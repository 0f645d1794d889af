"""Networks as ONNX models, masked policy included, and what to feed them. Needs the extra `onnx`. See docs/api.md.

Shapes: B positions, F features and L legal moves of the one that has most; indices are padded with -1."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from agent import rules
from agent.files import check_output, save
from agent.networks.bundled import find_weights, identity
from agent.networks.residual.planes import planes
from agent.networks.sparse.batch import sparse_batch
from agent.networks.weights import Weights
from agent.vocabulary import SIZE
from kernels.on_onnx import masked_softmax


class _Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: Any, outputs: list[str] | None = None, **attributes: Any) -> str:
        """A node; inputs are names or arrays. The name of its first output."""
        names = [one if isinstance(one, str) else self._constant(np.asarray(one)) for one in inputs]
        outputs = outputs or [f"{operator}{len(self.nodes)}"]
        self.nodes.append(helper.make_node(operator, names, outputs, **attributes))
        return outputs[0]

    def _constant(self, array: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(array, f"constant{len(self.constants)}"))
        return str(self.constants[-1].name)


def _residual(graph: _Graph, weights: Weights) -> tuple[str, str]:
    """Policy and value logits of `planes` [B, 21, 8, 8] and `legal` [B, 1880]."""
    add, tensors = graph.add, weights.tensors

    def layer(operator: str, name: str, x: str, **more: Any) -> str:
        more |= {} if operator == "Conv" else {"transB": 1}
        return add(operator, x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], **more)

    same = {"pads": [1] * 4}
    x = add("Relu", layer("Conv", "stem", "planes", **same))
    for block in range(int(weights.architecture.metadata()["blocks"])):
        name = f"tower.{block}"
        first = add("Relu", layer("Conv", f"{name}.first", x, **same))
        branch = layer("Conv", f"{name}.second", first, **same)
        pooled = add("Flatten", add("GlobalAveragePool", branch))
        excited = layer("Gemm", f"{name}.excite", add("Relu", layer("Gemm", f"{name}.squeeze", pooled)))
        halves = [f"{name}.gate", f"{name}.shift"]
        add("Split", add("Unsqueeze", excited, np.array([2, 3])), axis=1, num_outputs=2, outputs=halves)
        gated = add("Add", add("Mul", branch, add("Sigmoid", halves[0])), halves[1])
        x = add("Relu", add("Add", x, add("Mul", gated, tensors[f"{name}.scale"])))
    cells = add("Flatten", layer("Conv", "policy_planes", add("Relu", layer("Conv", "policy_hidden", x))))
    logits = add("Gather", cells, weights.network.get_buffer("policy_cells").numpy(), axis=1)
    value = add("Flatten", add("Relu", layer("Conv", "value_planes", x)))
    value = layer("Gemm", "value_out", add("Relu", layer("Gemm", "value_hidden", value)))
    return masked_softmax(add, logits, "legal"), value


def _sparse(graph: _Graph, weights: Weights) -> tuple[str, str]:
    """Policy and value logits of `features` [B, F], `moves` [B, L] and their `kinds` [B, L]."""
    add, tensors = graph.add, weights.tensors
    # Index -1 reads the last row, of zeros.
    tables = {name: np.concatenate([array, np.zeros_like(array[:1])]) for name, array in tensors.items()}
    rows = add("ReduceSum", add("Gather", tables["features.weight"], "features"), np.array([1]), keepdims=0)
    first = add("Relu", add("Add", rows, tensors["features.bias"]))
    hidden = add("Relu", add("Gemm", first, tensors["hidden.weight"], tensors["hidden.bias"]))
    parts = (("policy", "moves"), ("kinds", "kinds"))
    table, bias = (
        add("Add", *(add("Gather", tables[f"{layer}.{part}"], lanes) for layer, lanes in parts))
        for part in ("weight", "bias")
    )
    column = add("Unsqueeze", hidden, np.array([2]))
    logits = add("Add", add("Squeeze", add("MatMul", table, column), np.array([2])), bias)
    lanes = masked_softmax(add, logits, add("GreaterOrEqual", "moves", np.int64(0)))
    shape = add("Concat", add("Shape", "moves", start=0, end=1), np.array([SIZE + 1]), axis=0)
    empty = add("Expand", np.zeros((1, 1), np.float32), shape)  # -1 writes to the last column
    dense = add("ScatterElements", empty, "moves", lanes, axis=1, reduction="add")
    policy = add("Slice", dense, np.array([0]), np.array([SIZE]), np.array([1]))
    return policy, add("Gemm", hidden, tensors["value.weight"], tensors["value.bias"], transB=1)


def to_onnx(weights: Weights) -> bytes:
    """An ONNX model (opset 18) from what `onnx_inputs` gives to `policy` float32 [B, 1880], probabilities that are 0.0
    at illegal moves, and `wdl` float32 [B, 3], those of win, draw and loss. Architecture and provenance are its
    metadata."""
    graph, sparse = _Graph(), weights.architecture.kind == "sparse"
    policy, value = (_sparse if sparse else _residual)(graph, weights)
    graph.add("Identity", policy, outputs=["policy"])
    graph.add("Softmax", value, axis=1, outputs=["wdl"])
    inputs = []
    for name, array in onnx_inputs(weights, rules.start(1)).items():
        shape = ["B", "F" if name == "features" else "L"] if sparse else ["B", *array.shape[1:]]
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        inputs.append(helper.make_tensor_value_info(name, kind, shape))
    sizes = (("policy", SIZE), ("wdl", 3))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", size]) for name, size in sizes]
    made = helper.make_graph(graph.nodes, "zeromass", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, producer_name="zeromass")
    card = {"zeromass": version("zeromass"), "weights": identity(weights), "license": "MIT"}
    card["provenance"] = json.dumps(dict(weights.provenance))
    helper.set_model_props(model, {**weights.architecture.metadata(), **card})
    checker.check_model(model)
    return bytes(model.SerializeToString())


def onnx_inputs(weights: Weights, positions: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """What the model of these weights reads of packed positions [B, WORDS], by the names of its inputs."""
    if weights.architecture.kind == "residual":
        words = rules.legal_bits(positions).view(np.uint8)
        legal = np.unpackbits(words, axis=1, count=SIZE, bitorder="little").astype(np.bool_)
        return {"planes": planes(positions), "legal": legal}
    features, offsets, moves, kinds, move_offsets = (tensor.numpy() for tensor in sparse_batch(positions))
    lanes = {"moves": _padded(moves, move_offsets), "kinds": _padded(kinds, move_offsets)}
    return {"features": _padded(features, offsets), **lanes}


def _padded(ragged: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.diff(offsets)
    found = np.full((len(counts), max(1, counts.max(initial=1))), -1, np.int64)
    found[np.arange(found.shape[1]) < counts[:, None]] = ragged
    return found


def export_command(weights: Path | None, run: str | None, out: Path) -> int:
    """`zeromass export onnx`. Raises InputError: see `find_weights`, or `out` cannot be written."""
    found = find_weights(weights, run)
    check_output(out)
    data = to_onnx(found.weights)
    save(out, data)
    print(f"{out}: {found.origin}, {len(data):,} bytes")
    return 0
