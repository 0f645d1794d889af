"""The sparse network in torch: its operators beside torch's own. `test_deterministic.py` shows that it learns."""

from collections.abc import Callable

import torch

from agent import rules
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.gather import products_with_rows, products_with_rows_torch, sum_of_rows, sum_of_rows_torch
from kernels import masked_cross_entropy
from tests.agent.networks.test_sparse_compiled import trained
from tests.agent.rules.test_games import random_positions


def ragged(rows: int, batch: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 40, (batch,), generator=generator)
    counts[0] = 0
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    return torch.randint(rows, (int(offsets[-1]),), generator=generator, dtype=torch.int32), offsets


def owners(offsets: torch.Tensor) -> torch.Tensor:
    """Row that each entry belongs to, by search rather than repetition."""
    return torch.searchsorted(offsets, torch.arange(int(offsets[-1])), right=True) - 1


def check_alike(given: torch.Tensor, tensors: list[torch.Tensor], *forms: Callable[..., torch.Tensor]) -> None:
    """Every form gives the same numbers of `tensors`, and the same gradients where `given` comes back."""
    results = []
    for form in forms:
        leaves = [tensor.clone().requires_grad_() for tensor in tensors]
        out = form(*leaves)
        results.append((out.detach(), *torch.autograd.grad(out, leaves, given)))
    for ours in results[1:]:
        torch.testing.assert_close(ours, results[0], rtol=1e-5, atol=1e-4)


def test_sums_of_rows_and_their_gradients_are_a_matrix_product() -> None:
    rows, offsets = ragged(50, 20, seed=0)
    present = torch.zeros(20, 50).index_put((owners(offsets), rows.long()), torch.ones(len(rows)), accumulate=True)
    check_alike(
        torch.randn(20, 128),
        [torch.randn(50, 128), torch.randn(128)],
        lambda table, bias: present @ table + bias,
        lambda table, bias: sum_of_rows(table, bias, rows, offsets),
        lambda table, bias: sum_of_rows_torch(table, bias, rows, offsets),
    )


def test_products_with_rows_and_their_gradients_are_a_matrix_product() -> None:
    rows, offsets = ragged(70, 20, seed=1)
    owner = owners(offsets)
    place = owner, torch.cat([torch.arange(int(count)) for count in offsets.diff()])
    check_alike(
        torch.randn(20, 218),
        [torch.randn(20, 96), torch.randn(70, 96), torch.randn(70)],
        lambda v, table, bias: torch.zeros(20, 218).index_put(place, (v @ table.t() + bias)[owner, rows.long()]),
        lambda vectors, table, bias: products_with_rows(vectors, table, bias, rows, offsets),
        lambda vectors, table, bias: products_with_rows_torch(vectors, table, bias, rows, offsets),
    )


def test_every_parameter_gets_a_gradient_from_either_form() -> None:
    architecture = SparseArchitecture(width=64, hidden=32)
    positions = random_positions(50)
    gradients = []
    for dense in (False, True):
        network = trained(architecture)
        batch = network.batch(positions)
        logits, value = network.dense(positions) if dense else network(batch)
        legal = torch.from_numpy(rules.legal_bits(positions)) if dense else batch.legal
        first = batch.moves[batch.move_offsets[:-1].clamp(max=len(batch.moves) - 1)].long()
        target = first if dense else torch.zeros(50, dtype=torch.int64)
        with_moves = batch.legal[:, 0]
        loss = masked_cross_entropy(logits, target, legal=legal)[with_moves].sum() + value.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients.append({name: parameter.grad for name, parameter in network.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is not None, name
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-4, atol=1e-4)
