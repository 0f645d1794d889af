"""masked_sample: the right distribution, keyed noise, and nothing illegal in ten million draws; the hash of keys."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

import kernels
from kernels.on_torch import terms
from kernels.ops.backend import without_numba
from kernels.splitmix import GOLDEN, finalise, mix
from tests.kernels.family import DEVICE, make_case


def z_score(counts: Tensor, probabilities: Tensor) -> float:
    """Chi-square of the counts as a standard normal score (Wilson and Hilferty, 1931).

    Neighbouring bins join until each expects at least 10 draws, so that rare moves are tested together, not dropped."""
    draws, observed, wanted = float(counts.sum()), [0.0], [0.0]
    for i in probabilities.argsort().tolist():
        if wanted[-1] >= 10:
            observed.append(0.0)
            wanted.append(0.0)
        observed[-1] += float(counts[i])
        wanted[-1] += float(probabilities[i]) * draws
    statistic = sum((o - w) ** 2 / w for o, w in zip(observed, wanted, strict=True))
    k = len(wanted) - 1
    return float((statistic / k) ** (1 / 3) - (1 - 2 / (9 * k))) / math.sqrt(2 / (9 * k))


# The interpreter draws 3,000 a second, the others millions; where there is a flaw, the score grows with the draws.
DRAWS = {"triton": 2_000, "numba": 400_000, "eager": 50_000}


def check_distribution(size: int, draws: int, temperature: float, backend: str, seed: int = 1) -> None:
    """Logits from 0 down to -9, every third column illegal and tempting."""
    legal = torch.arange(size, device=DEVICE)[None, :] % 3 != 0
    logits = -9 * torch.linspace(0, 1, size, device=DEVICE)[None, :].roll(7, 1)
    logits = logits.masked_fill(~legal, 1e4)
    counts = torch.zeros(size, dtype=torch.int64, device=DEVICE)
    sample = partial(kernels.masked_sample, legal=legal, seed=seed, temperature=temperature, backend=backend)
    for keys in torch.split(torch.arange(draws, device=DEVICE), 50_000):
        moves = sample(logits.expand(len(keys), size), row_keys=keys).moves
        assert int(moves.min()) >= 0
        counts += torch.bincount(moves, minlength=size)
    p = (logits.double() / temperature).masked_fill(~legal, -math.inf).softmax(1)[0]
    assert int(counts[~legal[0]].sum()) == 0
    assert abs(z_score(counts, p)) < 4


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
def test_the_distribution(temperature: float, path: str, backend: str) -> None:
    check_distribution(48, DRAWS[path], temperature, backend)


@pytest.mark.slow
def test_ten_million_draws_are_legal() -> None:
    """From 218 legal of 1,880, the most that chess allows, and from few, the legal logits far below the illegal."""
    generator = torch.Generator().manual_seed(3)
    rows, size = 20_000, 1880
    for turn, count in enumerate((1, 2, 35, 218)):
        legal = torch.zeros(rows, size, dtype=torch.bool)
        legal.scatter_(1, torch.rand(rows, size, generator=generator).topk(count, 1).indices, True)
        logits = torch.where(legal, -100 * torch.rand(rows, size, generator=generator), 1e30)
        words = kernels.pack_legal(legal)
        for seed in range(125):
            keys, sample = torch.arange(rows) + rows * seed, partial(kernels.masked_sample, logits, legal=words)
            moves = sample(seed=turn, row_keys=keys, temperature=1.0 + seed, backend="torch").moves
            assert bool(legal.gather(1, moves[:, None]).all())


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_the_distribution_in_its_tail(temperature: float) -> None:
    """Two million draws by the loops: moves of one in a hundred thousand come as often as they should."""
    check_distribution(240, 2_000_000, temperature, "torch", seed=5)


def test_log_probability_and_entropy_are_those_of_what_was_drawn_from(backend: str) -> None:
    case = make_case(10, 72)
    draw_from = partial(kernels.masked_sample, case.logits, legal=case.legal, row_keys=case.keys)
    sample = draw_from(seed=2, temperature=0.25, backend=backend)
    some = case.mask.any(1)
    cold = (case.logits.double() / 0.25).masked_fill(~case.mask, -math.inf)[some].log_softmax(1)
    taken = cold.gather(1, sample.moves[some][:, None]).squeeze(1)
    torch.testing.assert_close(sample.log_prob[some].double(), taken, rtol=1e-5, atol=1e-5)
    entropy = torch.special.entr(cold.exp()).sum(1)
    torch.testing.assert_close(sample.entropy[some].double(), entropy, rtol=1e-5, atol=1e-6)
    assert sample.moves[~some].tolist() == [-1, -1]
    assert sample.log_prob[~some].tolist() == sample.entropy[~some].tolist() == [0.0, 0.0]


def test_noise_is_keyed_by_seed_and_row_key_alone(backend: str) -> None:
    """The same key gives the same move in another place of another batch; another key, another seed do not."""
    logits = torch.zeros(64, 200, device=DEVICE)
    legal = torch.ones(1, 200, dtype=torch.bool, device=DEVICE)

    def moves(keys: Tensor, seed: int = 4) -> Tensor:
        rows = logits[: len(keys)]
        return kernels.masked_sample(rows, legal=legal, seed=seed, row_keys=keys, backend=backend).moves

    keys = torch.arange(64, device=DEVICE) - 2**40
    first = moves(keys)
    assert torch.equal(moves(keys.flip(0)), first.flip(0))
    assert torch.equal(moves(keys[10:20]), first[10:20])
    assert torch.equal(moves(keys[:1].expand(5).contiguous()), first[:1].expand(5))
    # Of 64 even draws from 200, two independent sets meet in 0.3 places on average, and in 8 almost never.
    for other in (moves(keys + 64), moves(keys + 2**32), moves(keys, 5), moves(keys, 4 + 2**32)):
        assert int((other == first).sum()) < 8


def test_the_paths_draw_alike() -> None:
    """Same bits, same noise up to rounding: on these rows, the same moves."""
    case = make_case(300, 72)
    sample = partial(kernels.masked_sample, case.logits, legal=case.legal, seed=-9, row_keys=case.keys)
    moves = sample(backend="triton").moves
    assert torch.equal(sample(backend="torch").moves, moves)
    with without_numba():
        assert torch.equal(sample().moves, moves)


# The known answers that Random123 publishes for Philox4x32-10: key, counter, result.
DIGITS_OF_PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
PHILOX = [
    (0, (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (2**64 - 1, (2**32 - 1,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (0x299F31D0A4093822, DIGITS_OF_PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize(("key", "counter", "want"), PHILOX)
def test_philox_gives_its_published_answers(key: int, counter: tuple[int, ...], want: tuple[int, ...]) -> None:
    a, b, c = (torch.tensor([part]) for part in counter[:3])
    assert tuple(int(x) for x in terms.philox(key, a, b, c, counter[3])) == want


def test_the_kernels_noise_is_finite_for_every_pattern() -> None:
    """The Triton function itself, on the extremes of its 32 bits; the operators agree with it."""
    from tests.kernels.noise_kernel import noise_kernel

    bits = torch.tensor([0, 1, 2**27 - 1, 2**27, 2**31, 2**32 - 256, 2**32 - 2, 2**32 - 1], device=DEVICE)
    out = torch.empty(8, device=DEVICE)
    noise_kernel[(1,)](bits, out, SIZE=8)
    assert out.isfinite().all()
    assert torch.equal(out, out.sort(descending=True).values)
    assert float(out[0]) == pytest.approx(33 * math.log(2), abs=1e-4)
    torch.testing.assert_close(out, terms.bits_to_gumbel(bits), rtol=1e-5, atol=1e-6)


PUBLISHED = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]


def test_the_published_sequence_of_seed_1234567() -> None:
    with np.errstate(over="ignore"):
        states = np.uint64(1234567) + np.arange(5, dtype=np.uint64) * GOLDEN
        assert [int(finalise(state + GOLDEN)) for state in states] == PUBLISHED
    assert mix(states.view(np.int64)).view(np.uint64).tolist() == PUBLISHED
