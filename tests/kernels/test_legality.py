"""pack_legal and unpack_legal."""

import pytest
import torch

import kernels
from tests.kernels.family import DEVICE


@pytest.mark.parametrize("size", [1, 8, 31, 32, 33, 64, 1880, 2100])
def test_there_and_back(size: int, path: str, backend: str) -> None:
    mask = torch.rand(4, size, generator=torch.Generator().manual_seed(size)).to(DEVICE) < 0.5
    mask[0], mask[1] = False, True
    words = kernels.pack_legal(mask, backend=backend)
    assert (words.dtype, words.shape) == (torch.int32, (4, -(-size // 32)))
    assert kernels.words_for(size) == -(-size // 32)
    assert torch.equal(kernels.unpack_legal(words, size, backend=backend), mask)
    for row, bits in zip(mask.tolist(), words.tolist(), strict=True):
        number = sum((word & 0xFFFFFFFF) << (32 * w) for w, word in enumerate(bits))
        assert number == sum(1 << i for i, legal in enumerate(row) if legal)  # spare bits are zero


def test_leading_dimensions_and_strides(backend: str) -> None:
    mask = torch.rand(2, 3, 40, generator=torch.Generator().manual_seed(0)).to(DEVICE) < 0.5
    words = kernels.pack_legal(mask, backend=backend)
    assert words.shape == (2, 3, 2)
    assert torch.equal(kernels.unpack_legal(words, 40), mask)
    assert torch.equal(kernels.pack_legal(mask.transpose(0, 2)), kernels.pack_legal(mask.transpose(0, 2).contiguous()))
    assert torch.equal(kernels.pack_legal(mask[0, 0]), words[0, 0])
    assert torch.equal(kernels.unpack_legal(words.transpose(0, 1), 40), mask.transpose(0, 1))
    assert kernels.pack_legal(mask[0, :0]).shape == (0, 2)
    assert kernels.unpack_legal(words[0, :0], 40).shape == (0, 40)
