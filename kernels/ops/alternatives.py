"""Other ways to mask, right and wrong, to compare with. None of them chooses moves or trains. Shapes: logits `[B, N]`,
legal bool `[B, N]` (True = legal); each returns probabilities `[B, N]`."""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

Way = Callable[[Tensor, Tensor], Tensor]


def unmasked(logits: Tensor, legal: Tensor) -> Tensor:
    """No mask at all."""
    return torch.softmax(logits, dim=-1)


def multiplied(logits: Tensor, legal: Tensor) -> Tensor:
    """Logits times mask, then softmax: an illegal logit becomes 0 and keeps exp(0) = 1 of weight."""
    return torch.softmax(logits * legal, dim=-1)


def sentinel_half(logits: Tensor, legal: Tensor) -> Tensor:
    """-1e4 at illegal entries, in float16: right for small logits, uniform over illegal moves in an empty row."""
    half = logits.to(torch.float16)
    return torch.softmax(torch.where(legal, half, half.new_tensor(-1e4)), dim=-1)


def renormalised(logits: Tensor, legal: Tensor) -> Tensor:
    """Softmax over everything, then the legal entries divided by their sum: right, until that sum underflows."""
    kept = torch.softmax(logits, dim=-1) * legal
    return kept / kept.sum(-1, keepdim=True)


def added_log_mask(logits: Tensor, legal: Tensor) -> Tensor:
    """Logits plus log(mask), so -inf at illegal entries: right for finite logits, NaN in an empty row."""
    return torch.softmax(logits + legal.to(logits.dtype).log(), dim=-1)


WAYS: Final[Mapping[str, Way]] = {
    way.__name__: way for way in (unmasked, multiplied, sentinel_half, renormalised, added_log_mask)
}
"""By name, in the order of the audit's table."""
