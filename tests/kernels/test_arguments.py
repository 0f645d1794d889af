"""Callers' mistakes: one sentence each, with the value that was wrong."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import kernels

LOGITS = torch.zeros(3, 40)
LEGAL = torch.ones(3, 40, dtype=torch.bool)
KEYS = torch.arange(3)


def softmax(**changes: Any) -> Any:
    arguments = {"logits": LOGITS, "legal": LEGAL, **changes}
    return kernels.masked_softmax(arguments.pop("logits"), **arguments)


def loss(targets: Any, **changes: Any) -> Any:
    return kernels.masked_cross_entropy(LOGITS, targets, legal=LEGAL, **changes)


def sample(**changes: Any) -> Any:
    return kernels.masked_sample(LOGITS, **{"legal": LEGAL, "seed": 1, "row_keys": KEYS, **changes})


def ragged(**changes: Any) -> kernels.RaggedTargets:
    parts = {"offsets": torch.arange(4), "indices": torch.arange(3), "probabilities": torch.ones(3)}
    return kernels.RaggedTargets(**{**parts, **changes})


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: softmax(logits=[1.0]), TypeError, "logits must be a tensor, got list"),
    (lambda: softmax(logits=LOGITS.long()), TypeError, "got torch.int64"),
    (lambda: softmax(logits=torch.zeros(())), ValueError, r"\[\.\.\., N\], got \(\)"),
    (lambda: softmax(logits=torch.zeros(3, 0), legal=LEGAL[:, :0]), ValueError, r"at least one column.*\(3, 0\)"),
    (lambda: softmax(logits=LOGITS.to_sparse()), TypeError, "logits must be a dense tensor, got a sparse_coo one"),
    (lambda: softmax(legal=torch.nested.nested_tensor([LEGAL[0]])), TypeError, "legal must be .* got a nested one"),
    (lambda: softmax(legal=None), TypeError, "legal must be a tensor, got NoneType"),
    (lambda: softmax(legal=LEGAL.float()), TypeError, "bool, uint8 or packed int32 words, got torch.float32"),
    (lambda: softmax(legal=LEGAL[:, :39]), ValueError, r"mask of 40 columns.*\(3, 39\)"),
    (lambda: softmax(legal=LEGAL[:2]), ValueError, r"got shape \(2, 40\)"),
    (lambda: softmax(legal=torch.zeros(3, 3, dtype=torch.int32)), ValueError, r"2 a row.*\(3, 3\)"),
    (lambda: softmax(legal=LEGAL.to("meta")), ValueError, "legal is on meta but logits are on cpu"),
    (lambda: softmax(backend="cuda"), ValueError, "auto, triton, torch, got 'cuda'"),
    (lambda: softmax(logits=LOGITS[0], legal=LEGAL[0], causal=True), ValueError, r"causal.*\(40,\)"),
    (lambda: kernels.masked_entropy(LOGITS[0], legal=LEGAL[0]), ValueError, r"\[B, N\], got \(40,\)"),
    (lambda: loss(KEYS.to_sparse()), TypeError, "targets must be a dense tensor, got a sparse_coo one"),
    (lambda: loss(KEYS[:2]), ValueError, r"targets must have shape \(3,\), got \(2,\)"),
    (lambda: loss(torch.zeros(3, 41)), ValueError, r"\(3, 40\) on cpu, got \(3, 41\)"),
    (lambda: loss(LOGITS.clone().requires_grad_()), ValueError, "targets must not require grad"),
    (lambda: torch.func.jvp(loss, (LOGITS,), (LOGITS,)), ValueError, "targets must not require grad"),
    (lambda: loss(ragged(offsets=torch.arange(3))), ValueError, r"offsets must be int64 of shape \(4,\)"),
    (lambda: loss(ragged(indices=torch.ones(3))), TypeError, "indices must be integers.*got torch.float32"),
    (lambda: loss(ragged(indices=torch.arange(2))), ValueError, r"got \(2,\) and \(3,\)"),
    (lambda: sample(temperature=0.0), ValueError, "temperature must be finite and above 0, got 0.0"),
    (lambda: sample(row_keys=KEYS.float()), TypeError, "row_keys must hold integers, got torch.float32"),
    (lambda: sample(seed=1.5), TypeError, "seed must be an integer, got 1.5"),
    (lambda: kernels.legal_log_probs(LOGITS, legal=LEGAL, width=0), ValueError, "width .*got 0"),
    (lambda: kernels.pack_legal(LOGITS), TypeError, "bool or uint8 mask, got torch.float32"),
    (lambda: kernels.unpack_legal(KEYS, 40), TypeError, "int32 words, got torch.int64"),
    (lambda: kernels.unpack_legal(KEYS.int(), 40), ValueError, r"40 columns need 2 words a row, got shape \(3,\)"),
]


@pytest.mark.parametrize(("call", "kind", "says"), WRONG)
def test_a_mistake_is_one_sentence(call: Callable[[], Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
