"""Masked softmax and its family on packed legality: tensors only, no chess; `kernels.ops` holds them.

Every op takes `legal=` (bool, uint8 or packed int32 words; True = legal) and `backend=` ("auto", "triton", "torch"). An
illegal entry gets probability 0.0 and gradient 0.0, bit for bit, whatever stands in its logit.

PyTorch is imported at the first use of a name below: `kernels.compilation` and `kernels.splitmix` need none of it, and
importing it is most of a program's start."""
# ruff: noqa: F405

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernels.ops import *  # noqa: F403
else:  # a type checker must not take every name for defined

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module("kernels.ops"), name)
        return found


__all__ = [
    "LegalLogProbs", "MaskedCategorical", "PolicyTerms", "RaggedTargets", "Sample", "invalid_mass", "launches",
    "legal_log_probs", "masked_cross_entropy", "masked_entropy", "masked_log_softmax", "masked_policy_terms",
    "masked_sample", "masked_softmax", "pack_legal", "reset_launches", "resolve_backend", "unpack_legal", "words_for",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
