"""The residual network: the move of each output cell, and that training and playing see the same numbers."""

import pytest
import torch

from agent import vocabulary
from agent.errors import InputError
from agent.networks.registry import make_evaluator
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.residual.planes import PLANES


def test_each_move_reads_the_cell_of_its_own_from_square_and_direction() -> None:
    """Moves share a plane exactly when they go the same way: checked by geometry, not by the table's own code."""
    cells = ResidualNetwork(ResidualArchitecture(blocks=0, channels=8)).policy_cells.tolist()
    assert len(set(cells)) == vocabulary.SIZE
    ways: dict[int, set[tuple[int, int, int]]] = {}
    for move, cell in enumerate(cells):
        origin, target = int(vocabulary.FROM[move]), int(vocabulary.TO[move])
        assert cell % 64 == origin
        step = ((target & 7) - (origin & 7), (target >> 3) - (origin >> 3), int(vocabulary.PROMOTION[move]))
        ways.setdefault(cell // 64, set()).add(step)
    assert all(len(steps) == 1 for steps in ways.values())
    assert len(ways) == 76


def test_training_mode_and_evaluation_mode_agree_bit_for_bit() -> None:
    """The importance ratio of a fresh game must be 1: nothing in the network may depend on the mode."""
    torch.manual_seed(0)
    network = ResidualNetwork(ResidualArchitecture(blocks=2, channels=16))
    for block in network.tower:
        torch.nn.init.constant_(block.scale, 0.5)  # type: ignore[arg-type]
    inputs = torch.randn(4, PLANES, 8, 8)
    assert all(map(torch.equal, network.train()(inputs), network.eval()(inputs)))


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    network = ResidualNetwork(ResidualArchitecture(blocks=1, channels=8))
    torch.nn.init.constant_(network.tower[0].scale, 0.5)  # type: ignore[arg-type]
    logits, value = network(torch.randn(8, PLANES, 8, 8))
    (logits.square().sum() + value.square().sum()).backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []


def test_graphs_need_cuda() -> None:
    with pytest.raises(InputError, match="runtime=graphs needs a CUDA device"):
        make_evaluator(ResidualNetwork(ResidualArchitecture(blocks=0, channels=8)), runtime="graphs")
