"""The masked ops, by their public names, in files as those of their bodies. `kernels` hands them out."""

from kernels.ops.backend import launches, reset_launches, resolve_backend
from kernels.ops.legality import invalid_mass, pack_legal, unpack_legal, words_for
from kernels.ops.masked_categorical import MaskedCategorical
from kernels.ops.masked_cross_entropy import RaggedTargets, masked_cross_entropy
from kernels.ops.masked_policy_terms import PolicyTerms, Sample, masked_entropy, masked_policy_terms, masked_sample
from kernels.ops.masked_softmax import LegalLogProbs, legal_log_probs, masked_log_softmax, masked_softmax

__all__ = [
    "LegalLogProbs", "MaskedCategorical", "PolicyTerms", "RaggedTargets", "Sample", "invalid_mass", "launches",
    "legal_log_probs", "masked_cross_entropy", "masked_entropy", "masked_log_softmax", "masked_policy_terms",
    "masked_sample", "masked_softmax", "pack_legal", "reset_launches", "resolve_backend", "unpack_legal", "words_for",
]  # fmt: skip
