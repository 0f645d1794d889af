"""The meter must read 0.0 on the real policy, and move when the mask is broken."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.networks import meter as meter_module
from agent.networks.meter import InvalidMassError, InvalidMassMeter, MassReading, legal_by_python_chess
from agent.networks.policy import MaskedPolicy

POSITIONS = np.stack(
    [
        rules.from_fen("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"),
        rules.from_fen("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R b KQkq - 0 1"),
    ]
)


def logits() -> torch.Tensor:
    return torch.randn(2, 1880, generator=torch.Generator().manual_seed(2))


def test_reads_zero_on_the_masked_policy_and_counts() -> None:
    meter = InvalidMassMeter(oracle_rows=2)
    legal = torch.from_numpy(rules.legal_bits(POSITIONS))
    for _ in range(3):
        assert meter.check(MaskedPolicy(logits(), legal).probabilities, POSITIONS) == 0.0
    assert meter.take() == MassReading(largest=0.0, total=0.0, distributions=6)
    assert meter.take() == MassReading()


def test_multiplied_logits_leak_and_the_error_names_position_move_and_mass() -> None:
    mask = MaskedPolicy(torch.zeros(2, 1880), torch.from_numpy(rules.legal_bits(POSITIONS))).probabilities > 0
    leaky = torch.softmax(logits() * mask, dim=1)
    expected = float((leaky * ~mask).sum(1).max())
    meter = InvalidMassMeter(oracle_rows=0)
    with pytest.raises(InvalidMassError, match=r"invalid mass 0\.9\d* in position '.*'; illegal move|illegal move \w+"):
        meter.check(leaky, POSITIONS)
    assert meter.reading.largest == pytest.approx(expected, rel=1e-5)
    assert expected > 0.9


def test_one_tiny_leak_in_one_row_is_seen() -> None:
    legal = torch.from_numpy(rules.legal_bits(POSITIONS))
    probabilities = MaskedPolicy(logits(), legal).probabilities.clone()
    probabilities[1, vocabulary.from_uci("a8h1", black=True)] = 1e-30  # a rook does not move so
    with pytest.raises(InvalidMassError, match="1e-30"):
        InvalidMassMeter(oracle_rows=0).check(probabilities, POSITIONS)


def test_a_nan_is_not_taken_for_zero() -> None:
    probabilities = torch.zeros(2, 1880)
    probabilities[0, 5] = float("nan")
    with pytest.raises(InvalidMassError, match="nan"):
        InvalidMassMeter(oracle_rows=0).check(probabilities, POSITIONS)


def test_python_chess_catches_what_broken_rules_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    """If mask and meter shared one bug in the rules, only the third opinion would notice."""
    everything = np.full((2, 59), -1, np.int32)
    monkeypatch.setattr(rules, "legal_bits", lambda positions: everything)
    uniform = torch.full((2, 1880), 1 / 1880)
    with pytest.raises(InvalidMassError):
        InvalidMassMeter(oracle_rows=1).check(uniform, POSITIONS)


def test_python_chess_looks_at_the_first_batch_and_then_at_one_in_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []

    def look(position: NDArray[np.uint64]) -> torch.Tensor:
        looked.append(position.tobytes())
        return legal_by_python_chess(position)

    monkeypatch.setattr(meter_module, "legal_by_python_chess", look)
    meter = InvalidMassMeter(oracle_apart=5)
    legal = torch.from_numpy(rules.legal_bits(POSITIONS))
    looks = []
    for _ in range(9):
        meter.check(MaskedPolicy(logits(), legal).probabilities, POSITIONS)
        looks.append(len(looked))
    assert looks == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert len(set(looked)) == len(POSITIONS)  # it is not always the same row
    assert meter.take().distributions == 18
