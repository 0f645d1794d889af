"""SplitMix64 against its published outputs, in compiled code and on arrays."""

import numpy as np

from kernels.splitmix import GOLDEN, finalise, mix

PUBLISHED = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]


def test_the_published_sequence_of_seed_1234567() -> None:
    with np.errstate(over="ignore"):
        states = np.uint64(1234567) + np.arange(5, dtype=np.uint64) * GOLDEN
        assert [int(finalise(state + GOLDEN)) for state in states] == PUBLISHED
    assert mix(states.view(np.int64)).view(np.uint64).tolist() == PUBLISHED
    # It is one to one, and scatters.
    keys = mix(np.arange(100_000, dtype=np.int64))
    assert len(np.unique(keys)) == 100_000
    assert abs(np.unpackbits(keys.view(np.uint8)).mean() - 0.5) < 0.001
