"""The one legality contract that every op shares: True = legal, packed 32 columns to an int32 word.

N columns pack into W = ceil(N / 32) words; bit i of word w is column 32 w + i. Spare bits of the last word are ignored
whatever they hold. The ops compute on words alone: a bool or uint8 mask is packed once, which reads each of its bytes
once, and the backward then reads an eighth of a byte an entry instead of a byte."""

import torch
from torch import Tensor

from kernels.on_torch import legality
from kernels.ops.arguments import check_logits, check_tensor, per_row, whole
from kernels.ops.backend import resolve_backend
from kernels.ops.registration import register

WORD = 32  # columns a word


def words_for(size: int) -> int:
    """Return how many int32 words hold `size` columns."""
    return (size + WORD - 1) // WORD


def pack_legal(legal: Tensor, *, backend: str = "auto") -> Tensor:
    """Pack a mask into words.

    legal: bool or uint8 `[..., N]`, any strides; nonzero = legal. Returns int32 `[..., ceil(N / 32)]`, spare bits zero.
    Raises TypeError for another dtype and ValueError for a tensor without dimensions."""
    if legal.dtype not in (torch.bool, torch.uint8):
        raise TypeError(f"pack_legal takes a bool or uint8 mask, got {legal.dtype}")
    if legal.dim() == 0:
        raise ValueError("pack_legal takes a mask of at least one dimension, got a scalar")
    # A bool read as i1 differs between compilers: the implementations compare its byte with 0.
    words: Tensor = _pack(legal.reshape(-1, legal.shape[-1]), resolve_backend(backend, legal.device))
    return words.reshape(*legal.shape[:-1], words_for(legal.shape[-1]))


def unpack_legal(words: Tensor, size: int, *, backend: str = "auto") -> Tensor:
    """Unpack words into a mask. words: int32 `[..., ceil(size / 32)]`. Returns bool `[..., size]`. Raises TypeError for
    another dtype and ValueError when the number of words does not fit `size`."""
    if words.dtype != torch.int32:
        raise TypeError(f"unpack_legal takes int32 words, got {words.dtype}")
    size = whole(size, "size")
    if words.dim() == 0 or size < 0 or words.shape[-1] != words_for(size):
        raise ValueError(f"{size} columns need {words_for(size)} words a row, got shape {tuple(words.shape)}")
    mask: Tensor = _unpack(words.reshape(-1, words.shape[-1]), size, resolve_backend(backend, words.device))
    return mask.reshape(*words.shape[:-1], size)


def invalid_mass(probabilities: Tensor, *, legal: Tensor, backend: str = "auto") -> Tensor:
    """Return the sum of |p| over the illegal entries of each row: float32 `[B]` (float64 for float64).

    probabilities: `[B, N]`, any float dtype and strides. legal: as for `masked_softmax`. Absolute values, so that
    errors of opposite sign cannot cancel; a NaN at an illegal entry makes the row's mass NaN, and an infinity makes it
    infinite, so that `mass == 0` is true only of a row without any leak. No gradient. Raises TypeError or ValueError
    for arguments that do not fit."""
    words, backend = legal_words(legal, probabilities, backend, "probabilities")
    mass: Tensor = _invalid_mass(probabilities.detach(), words, backend)
    return mass


def legal_words(
    legal: Tensor, logits: Tensor, backend: str, name: str = "logits", dims: int | None = 2
) -> tuple[Tensor, str]:
    """Check an op's arguments. Return int32 words `[R, W]`, one row for each of `logits` (stride may be 0), and the
    backend that runs. Raises as `check_logits`; TypeError for a dtype that is no mask, ValueError for a shape or device
    that does not fit."""
    check_logits(logits, name, dims)
    backend = resolve_backend(backend, logits.device)
    check_tensor(legal, "legal", logits)
    if legal.dtype not in (torch.int32, torch.bool, torch.uint8):
        raise TypeError(f"legal must be bool, uint8 or packed int32 words, got {legal.dtype}")
    packed, given, shape = legal.dtype == torch.int32, legal.shape, logits.shape
    size, lead = shape[-1], shape[:-1]
    width = words_for(size) if packed else size
    alike = given[:-1] == lead
    expands = alike or (
        1 <= len(given) <= len(shape)
        and all(have in (1, want) for have, want in zip(given[-2::-1], lead[::-1], strict=False))
    )
    if not expands or given[-1:] != (width,):
        kind = f"packed words for {size} columns, {width} a row" if packed else f"a mask of {size} columns"
        raise ValueError(f"legal must be {kind}, for {tuple(lead)} rows or fewer; got shape {tuple(given)}")
    words = legal if packed else pack_legal(legal, backend=backend)
    if not alike:
        words = words.expand(*lead, words.shape[-1])
    return (words if len(lead) == 1 else words.reshape(-1, words.shape[-1])), backend


_pack = register(
    legality.pack_legal,
    lambda mask, backend: mask.new_empty((mask.shape[0], words_for(mask.shape[1])), dtype=torch.int32),
)
_unpack = register(
    legality.unpack_legal, lambda words, size, backend: words.new_empty((words.shape[0], size), dtype=torch.bool)
)
_invalid_mass = register(legality.invalid_mass, lambda probabilities, *rest: per_row(probabilities, 1)[0])
