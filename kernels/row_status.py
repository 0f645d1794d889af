"""row_status: what is wrong with each row, as bits that stay on the device until someone asks."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.arguments import check_logits, check_row_indices
from kernels.backend import resolve_backend
from kernels.legality import legal_words
from kernels.registration import register

NO_LEGAL_ENTRY = 1  # nothing to choose from: every op gives zeros
UNDEFINED = 2  # a legal logit is NaN or +inf, or all of them are -inf: every op gives NaN
ILLEGAL_TARGET = 4  # the target is an illegal entry or out of range


def row_status(logits: Tensor, *, legal: Tensor, targets: Tensor | None = None, backend: str = "auto") -> Tensor:
    """Return int32 `[B]`: 0 for a sound row, else the sum of NO_LEGAL_ENTRY, UNDEFINED and ILLEGAL_TARGET that apply.

    logits: `[B, N]`, any float dtype and strides. legal: as for `masked_softmax`. targets: integers `[B]`, if any.
    Works without a host synchronisation: add it up over a run of steps and look once. Raises TypeError or ValueError
    for arguments that do not fit.
    """
    check_logits(logits)
    words = legal_words(legal, logits, backend)
    indices = None if targets is None else check_row_indices(targets, logits, "targets")
    status: Tensor = _row_status(logits.detach(), words, indices, resolve_backend(backend, logits.device))
    return status


def _fake(logits: Tensor, words: Tensor, targets: Tensor | None, backend: str) -> Tensor:
    return logits.new_empty(logits.shape[0], dtype=torch.int32)


_row_status = register(
    "row_status", "(Tensor logits, Tensor words, Tensor? targets, str backend) -> Tensor", "checks", _fake
)
