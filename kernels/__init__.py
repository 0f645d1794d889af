"""Masked softmax and its family on packed legality: tensors only, no chess.

Every op takes `legal=` (bool, uint8 or packed int32 words; True = legal) and `backend=` ("auto", "triton", "torch"). An
illegal entry gets probability 0.0 and gradient 0.0, bit for bit, whatever stands in its logit.
"""

from kernels.backend import launches, reset_launches, resolve_backend
from kernels.legal_log_probs import LegalLogProbs, legal_log_probs
from kernels.legality import invalid_mass, pack_legal, unpack_legal, words_for
from kernels.masked_cross_entropy import RaggedTargets, masked_cross_entropy
from kernels.masked_policy_terms import PolicyTerms, masked_entropy, masked_policy_terms
from kernels.masked_sample import Sample, masked_sample
from kernels.masked_softmax import masked_log_softmax, masked_softmax

__all__ = [
    "LegalLogProbs", "PolicyTerms", "RaggedTargets", "Sample", "invalid_mass", "launches", "legal_log_probs",
    "masked_cross_entropy", "masked_entropy", "masked_log_softmax", "masked_policy_terms", "masked_sample",
    "masked_softmax", "pack_legal", "reset_launches", "resolve_backend", "unpack_legal", "words_for",
]  # fmt: skip
