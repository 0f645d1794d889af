"""The meter must read 0.0 on the real policy, and move when the mask is broken."""

from unittest import mock

import chess
import numpy as np
import pytest
import torch

from agent import rules, vocabulary
from agent.networks import meter as meter_module
from agent.networks.meter import InvalidMassError, InvalidMassMeter, MassReading, legal_by_python_chess
from agent.networks.policy import MaskedPolicy

FENS = (chess.STARTING_FEN, "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R b KQkq - 0 1")
POSITIONS = np.stack([rules.from_fen(fen) for fen in FENS])
LEGAL = torch.from_numpy(rules.legal_bits(POSITIONS))


def logits() -> torch.Tensor:
    return torch.randn(2, 1880, generator=torch.Generator().manual_seed(2))


def test_reads_zero_on_the_masked_policy_and_counts() -> None:
    meter = InvalidMassMeter(oracle_rows=2)
    for _ in range(3):
        assert meter.check(MaskedPolicy(logits(), LEGAL).probabilities, POSITIONS) == 0.0
    assert meter.take() == MassReading(largest=0.0, total=0.0, distributions=6)
    assert meter.take() == MassReading()


def test_multiplied_logits_leak_and_the_error_names_position_move_and_mass() -> None:
    mask = MaskedPolicy(torch.zeros(2, 1880), LEGAL).probabilities > 0
    leaky = torch.softmax(logits() * mask, dim=1)
    expected = float((leaky * ~mask).sum(1).max())
    meter = InvalidMassMeter(oracle_rows=0)
    with pytest.raises(InvalidMassError, match=r"invalid mass 0\.9\d* in position '.*'; illegal move|illegal move \w+"):
        meter.check(leaky, POSITIONS)
    assert meter.reading.largest == pytest.approx(expected, rel=1e-5)
    assert expected > 0.9


@pytest.mark.parametrize("leak", [1e-30, float("nan")])
def test_one_tiny_leak_in_one_row_is_seen(leak: float) -> None:
    probabilities = MaskedPolicy(logits(), LEGAL).probabilities.clone()
    probabilities[1, vocabulary.from_uci("a8h1", black=True)] = leak  # a rook does not move so
    with pytest.raises(InvalidMassError, match=str(leak)):
        InvalidMassMeter(oracle_rows=0).check(probabilities, POSITIONS)


def test_python_chess_catches_what_broken_rules_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    """If mask and meter shared one bug in the rules, only the third opinion would notice."""
    monkeypatch.setattr(rules, "legal_bits", lambda positions: np.full((2, 59), -1, np.int32))
    with pytest.raises(InvalidMassError):
        InvalidMassMeter(oracle_rows=1).check(torch.full((2, 1880), 1 / 1880), POSITIONS)


def test_python_chess_looks_at_the_first_batch_and_then_at_one_in_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    look = mock.Mock(side_effect=legal_by_python_chess)
    monkeypatch.setattr(meter_module, "legal_by_python_chess", look)
    meter, looks = InvalidMassMeter(oracle_apart=5), []
    for _ in range(9):
        meter.check(MaskedPolicy(logits(), LEGAL).probabilities, POSITIONS)
        looks.append(look.call_count)
    assert looks == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert len({call.args[0].tobytes() for call in look.mock_calls}) == len(POSITIONS)  # not always the same row
    assert meter.take().distributions == 18
