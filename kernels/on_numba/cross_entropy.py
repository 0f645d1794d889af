"""Cross-entropy with index, dense and ragged targets, by the loops."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.on_numba import loops
from kernels.on_numba.arrays import NO_INDEX, NO_MATRIX, NONE, array, empty, row_values
from kernels.on_numba.threads import in_parts


def ragged_cross_entropy(
    logits: Tensor,
    words: Tensor,
    offsets: Tensor,
    indices: Tensor,
    probabilities: Tensor,
    smoothing: float,
    z_loss: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Row r's target is `probabilities[o[r]:o[r + 1]]` at those `indices`; loss, peak, log_sum and known, `[R]`
    each.
    """
    loss, peak, log_sum = row_values(logits, 3)
    known = torch.empty(logits.shape[0], dtype=torch.bool)
    in_parts(
        loops.cross_entropy, logits,
        array(logits), array(words), _inside(offsets, indices), array(indices.to(torch.int64)), array(probabilities),
        NO_MATRIX, smoothing, z_loss, loss.numpy(), peak.numpy(), log_sum.numpy(), known.numpy(),
    )  # fmt: skip
    return loss, peak, log_sum, known


def ragged_cross_entropy_backward(
    gradient: Tensor,
    logits: Tensor,
    words: Tensor,
    offsets: Tensor,
    indices: Tensor,
    probabilities: Tensor,
    smoothing: float,
    z_loss: float,
    peak: Tensor,
    log_sum: Tensor,
    known: Tensor,
) -> Tensor:
    """[R, N] gradient of the logits."""
    out = empty(logits)
    in_parts(
        loops.cross_entropy_backward, logits,
        array(gradient), array(logits), array(words), _inside(offsets, indices), array(indices.to(torch.int64)),
        array(probabilities), NO_MATRIX, smoothing, z_loss, array(peak), array(log_sum), array(known), out.numpy(),
    )  # fmt: skip
    return out


def soft_cross_entropy(
    logits: Tensor, words: Tensor, targets: Tensor, smoothing: float, z_loss: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Dense targets `[R, N]`."""
    loss, peak, log_sum = row_values(logits, 3)
    known = torch.empty(logits.shape[0], dtype=torch.bool)
    in_parts(
        loops.cross_entropy, logits, array(logits), array(words), NO_INDEX, NO_INDEX, NONE, array(targets),
        smoothing, z_loss, loss.numpy(), peak.numpy(), log_sum.numpy(), known.numpy(),
    )  # fmt: skip
    return loss, peak, log_sum, known


def soft_cross_entropy_backward(
    gradient: Tensor,
    logits: Tensor,
    words: Tensor,
    targets: Tensor,
    smoothing: float,
    z_loss: float,
    peak: Tensor,
    log_sum: Tensor,
    known: Tensor,
) -> Tensor:
    """[R, N] gradient of the logits."""
    out = empty(logits)
    in_parts(
        loops.cross_entropy_backward, logits, array(gradient), array(logits), array(words), NO_INDEX, NO_INDEX, NONE,
        array(targets), smoothing, z_loss, array(peak), array(log_sum), array(known), out.numpy(),
    )  # fmt: skip
    return out


def cross_entropy(
    logits: Tensor, words: Tensor, targets: Tensor, smoothing: float, z_loss: float
) -> tuple[Tensor, Tensor, Tensor]:
    """An index target is a ragged one with a single entry of mass 1."""
    return ragged_cross_entropy(logits, words, *_single(targets), smoothing, z_loss)[:3]


def cross_entropy_backward(
    gradient: Tensor,
    logits: Tensor,
    words: Tensor,
    targets: Tensor,
    smoothing: float,
    z_loss: float,
    peak: Tensor,
    log_sum: Tensor,
) -> Tensor:
    """[R, N] gradient of the logits; whether a target is legal is read from its bit."""
    size = logits.shape[1]
    column = targets.clamp(0, size - 1)
    bit = (words.gather(1, (column // 32)[:, None]).squeeze(1) >> (column % 32)) & 1
    known = (bit != 0) & (column == targets)
    return ragged_cross_entropy_backward(
        gradient, logits, words, *_single(targets), smoothing, z_loss, peak, log_sum, known
    )


def _single(targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    rows = targets.shape[0]
    return torch.arange(rows + 1), targets, torch.ones(rows)


def _inside(offsets: Tensor, indices: Tensor) -> object:
    """Offsets kept within the entries, as the Triton kernel keeps them: a loop does not check its bounds."""
    return array(offsets.clamp(0, indices.shape[0]))
