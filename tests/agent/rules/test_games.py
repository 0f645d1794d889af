"""Batches and games: playing, resetting, successors, history, and what is refused."""

from collections.abc import Callable

import chess
import numpy as np
import pytest
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.rules import Games
from agent.rules.layout import STATE
from tests.agent.positions import TRICKY
from tests.agent.rules.oracle import choose


def move(uci: str, black: bool = False) -> int:
    return vocabulary.from_uci(uci, black=black)


def play_line(games: Games, line: str) -> None:
    for uci in line.split():
        games.play([move(uci, bool(rules.is_black(games.positions)[0]))] * len(games))


def occurred(positions: NDArray[np.uint64]) -> list[int]:
    """How often each position stood before."""
    return [int(count) for count in positions[:, STATE] >> np.uint64(16) & np.uint64(0xFF)]


def random_positions(number: int, seed: int = 0) -> NDArray[np.uint64]:
    rng = np.random.default_rng(seed)
    games = Games(number)
    for _ in range(60):
        indices, counts = rules.legal_moves(games.positions)
        over = np.flatnonzero(games.outcome())
        games.reset(over)
        indices[over], counts[over] = (array[0] for array in rules.legal_moves(rules.start(1)))
        games.play(indices[np.arange(number), (rng.random(number) * counts).astype(np.int64)])
    return games.positions


def test_history_holds_the_keys_since_the_last_zeroing_move() -> None:
    games, seen = Games(2), []
    for uci in ("e2e4", "e7e5", "g1f3", "b8c6", "f1c4"):
        play_line(games, uci)
        seen.append(rules.keys(games.positions)[0])
    keys, lengths = games.history
    assert lengths.tolist() == [3, 3]
    assert keys[0, :3].tolist() == seen[1:4]
    games.play([move("d7d5", black=True)], rows=[1])
    assert games.history[1].tolist() == [3, 0]


def test_history_outlives_the_75_move_rule() -> None:
    board = chess.Board("4k2r/8/8/8/8/8/8/R3K3 w - - 0 1")
    games, rng = Games.from_boards([board]), np.random.default_rng(3)
    for _ in range(400):
        chosen = choose(board, "shuffles", rng)
        if board.is_zeroing(chosen):
            chosen = next(other for other in board.legal_moves if not board.is_zeroing(other))
        games.play([move(chosen.uci(), not board.turn)])
        board.push(chosen)
        assert games.positions[0].tolist() == rules.from_board(board).tolist()
    assert board.halfmove_clock > 160
    anew = Games.from_boards([chess.Board(), board])
    (keys, lengths), (wanted, number) = anew.history, games.history
    assert (anew.ply.tolist(), lengths.tolist()) == ([0, 0], [0, *number])
    assert keys[1, : lengths[1]].tolist() == wanted[0, : lengths[1]].tolist()


def test_taken_games_keep_their_history_and_stateless_play_knows_none() -> None:
    games, back = Games(3), move("f6g8", black=True)
    play_line(games, "g1f3 g8f6 f3g1")
    taken, positions = games.take([2, 0]), games.positions[:2].copy()
    taken.play([back] * 2)
    rules.play(positions, [back] * 2)
    assert (occurred(taken.positions), occurred(positions)) == ([1, 1], [0, 0])
    assert rules.keys(positions).tolist() == rules.keys(taken.positions).tolist()
    assert games.ply.tolist() == [3, 3, 3]


def test_successors_are_what_playing_gives() -> None:
    games = Games.from_boards([chess.Board(), *map(chess.Board, TRICKY)])
    twin = games.copy()
    for row, line in ((0, "g1f3 g8f6 f3g1"), (1, "a1b1 h8g8 b1a1")):
        for uci in line.split():
            twin.play([move(uci, bool(rules.is_black(twin.positions[row : row + 1])[0]))], rows=[row])
    before = twin.positions.copy()
    positions, moves, offsets = twin.successors()
    assert (twin.positions == before).all()
    assert offsets[-1] == len(moves) == len(positions)
    for row in range(len(twin)):
        legal, counts = rules.legal_moves(twin.positions[row : row + 1])
        assert moves[offsets[row] : offsets[row + 1]].tolist() == legal[0, : counts[0]].tolist()
        for child in range(offsets[row], offsets[row + 1]):
            trial = twin.copy()
            trial.play([moves[child]], rows=[row])
            assert trial.positions[row].tolist() == positions[child].tolist()
    assert occurred(positions)[: offsets[1]] == (moves[: offsets[1]] == move("f6g8", black=True)).tolist()


def test_rows_play_and_reset_alone() -> None:
    games = Games(3)
    games.play([move("e2e4")], rows=[1])
    games.play([move("d2d4"), move("c7c5", black=True)], rows=[2, 1])
    assert games.ply.tolist() == [0, 2, 1]
    games.reset(np.array([False, True, False]))
    assert games.ply.tolist() == [0, 0, 1]
    assert games.positions[1].tolist() == rules.start(1)[0].tolist()
    fen = "8/8/4k3/8/8/3NK3/8/8 w - - 12 60"
    repeated = rules.from_fen(fen)
    repeated[STATE] |= np.uint64(2 << 16)
    games.reset([0], repeated[None])
    assert rules.to_fen(games.positions[0]) == fen
    assert games.positions[0].tolist() == rules.from_fen(fen).tolist()
    games.reset([])
    games.play([], rows=[])
    assert games.ply.tolist() == [0, 0, 1]


@pytest.mark.parametrize("bad", [-1, 1880, 65535, 0])
def test_an_illegal_move_changes_nothing(bad: int) -> None:
    games, positions = Games(2), rules.start(2)
    for play in (games.play, lambda moves: rules.play(positions, moves)):
        with pytest.raises(ValueError, match=f"move {bad} of row 1 is not legal in rnbqkbnr/"):
            play([move("e2e4"), bad])
    assert games.positions.tolist() == positions.tolist() == rules.start(2).tolist()
    assert games.ply.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda games: games.play([1]), r"shape \[2\]"),
        (lambda games: games.play([0.5, 0.5]), "integers"),
        (lambda games: games.play([1, 1], rows=[0, 0]), "differ, not"),
        (lambda games: games.play([1], rows=[2]), r"0\.\.1"),
        (lambda games: games.play([1], rows=[-1]), r"0\.\.1"),
        (lambda games: games.reset([0.5]), "integers"),
        (lambda games: games.reset([0], rules.start(2)), "2 positions for 1 games"),
        (lambda games: games.observe(out=(np.zeros((2, 9), np.uint16),) * 3), "out must be"),
        (lambda _: rules.pack_moves(np.zeros((2, 9), np.uint16), np.ones(3, np.int32)), r"counts must be int32 \[2\]"),
        (lambda games: rules.pack_moves(np.zeros((2, 9), np.int64), np.ones(2, np.int32)), "indices must be uint16"),
        (lambda games: rules.play(games.positions[:, ::-1], [1, 1]), "C-contiguous"),
    ],
)
def test_misuse_is_refused(call: Callable[[Games], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        call(Games(2))


def test_rows_of_moves_are_ascending_and_filled_and_bits_say_the_same() -> None:
    positions = random_positions(300)
    indices, counts = rules.legal_moves(positions)
    bits = rules.legal_bits(positions).view(np.uint32)[:, :, None] >> np.arange(32, dtype=np.uint32) & 1
    for row, count, legal in zip(indices, counts, bits.reshape(300, 59 * 32), strict=True):
        assert row[:count].tolist() == np.flatnonzero(legal).tolist()  # which ascend
        assert (row[count:] == rules.NO_MOVE).all()
    assert rules.count_moves(positions).tolist() == counts.tolist()


def test_observing_is_moves_and_outcome_in_one() -> None:
    games = Games.from_boards([chess.Board(fen) for fen in TRICKY])
    for claim in (False, True):
        wanted = (*rules.legal_moves(games.positions), games.outcome(claim))
        np.testing.assert_equal(rules.observe(games.positions, claim_draws=claim), wanted)
    out = games.observe()
    assert all(ours is theirs for ours, theirs in zip(out, games.observe(False, out=out), strict=True))


def test_unchecked_play_still_refuses_what_is_no_index() -> None:
    games = Games(2)
    with pytest.raises(ValueError, match="1880"):
        games.play([move("e2e4"), 1880], check=False)
    games.play([move("e2e4")] * 2, check=False)
    assert rules.to_fen(games.positions[1]).startswith("rnbqkbnr/pppppppp/8/8/4P3/")


def test_read_only_and_empty_batches() -> None:
    positions = rules.start(3)
    positions.setflags(write=False)
    assert [rules.legal_moves(part)[1].tolist() for part in (positions, positions[::2])] == [[20] * 3, [20] * 2]
    nothing = rules.start(0)
    assert rules.legal_moves(nothing)[0].shape == (0, 218)
    assert rules.outcome(nothing, claim_draws=True).shape == (0,)
    assert len(Games(0).successors()[1]) == 0
