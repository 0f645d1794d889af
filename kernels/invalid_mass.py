"""invalid_mass: the probability that a distribution puts on illegal entries. Above zero, it is a leak."""

from __future__ import annotations

from torch import Tensor

from kernels.arguments import check_logits, row_dtype
from kernels.backend import resolve_backend
from kernels.legality import legal_words
from kernels.registration import register


def invalid_mass(probabilities: Tensor, *, legal: Tensor, backend: str = "auto") -> Tensor:
    """Return the sum of |p| over the illegal entries of each row: float32 `[B]` (float64 for float64).

    probabilities: `[B, N]`, any float dtype and strides. legal: as for `masked_softmax`. Absolute values, so that
    errors of opposite sign cannot cancel; a NaN at an illegal entry makes the row's mass NaN, and an infinity makes it
    infinite, so that `mass == 0` is true only of a row without any leak. No gradient. Raises TypeError or ValueError
    for arguments that do not fit.
    """
    check_logits(probabilities, "probabilities")
    words = legal_words(legal, probabilities, backend)
    mass: Tensor = _invalid_mass(probabilities.detach(), words, resolve_backend(backend, probabilities.device))
    return mass


def _fake(probabilities: Tensor, words: Tensor, backend: str) -> Tensor:
    return probabilities.new_empty(probabilities.shape[0], dtype=row_dtype(probabilities.dtype))


_invalid_mass = register(
    "invalid_mass", "(Tensor probabilities, Tensor words, str backend) -> Tensor", "legality", _fake
)
