"""Reading moves and FENs; the sentences of refusal are tested in the dialogue, tests/agent/terminal/test_plain.py."""

import chess
import pytest

from agent.notation import MoveError, read_fen, read_move
from agent.rules import from_fen


@pytest.mark.parametrize(
    "fen",
    [
        chess.STARTING_FEN,
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
        "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 b kq - 0 1",
        "8/2p5/3p4/KP5r/1R3pPk/8/4P3/8 b - g3 0 1",
        "4k3/8/8/8/8/2N5/8/2N1K1N1 w - - 0 1",  # N3e2, Nc1e2 and Nge2
    ],
)
def test_every_legal_move_is_read_in_every_spelling(fen: str) -> None:
    board = chess.Board(fen)
    for move in board.legal_moves:
        uci, san = move.uci(), board.san(move)
        spellings = [uci, uci.upper(), f"{uci[:2]}-{uci[2:]}", san, f" {san}!? ", san.replace("O", "0")]
        spellings += [board.lan(move), *([san[0].lower() + san[1:]] if san[0] in "NRQK" else [])]
        assert {spelling: read_move(board, spelling).uci() for spelling in spellings} == dict.fromkeys(spellings, uci)


START = chess.STARTING_FEN
E4 = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1"
E5 = "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2"
TWO_B = "4k3/8/8/8/2p5/1P6/8/4KB2 w - - 0 1"  # pawn b3 and bishop f1 both take on c4
PROMOTION = "3rk3/4P3/8/8/8/8/8/4K3 w - - 0 1"
EN_PASSANT = "4k3/8/8/3pP3/8/8/8/4K2R w K d6 0 1"


@pytest.mark.parametrize(
    ("fen", "typed", "move"),
    [
        *((START, typed, "e2e4") for typed in ("1. e4", "1.e4", "1 . e4!", "E4", "♙e4", "e4!?", "e2–e4")),
        *((START, typed, "g1f3") for typed in ("♘f3", "♞\ufe0ef3", "NF3", "nF3", "ng1-F3", "N-f3", "Nf3 $1")),
        *((START, typed, "b2b4") for typed in ("b4", "B4", "bb4")),
        *((E4, typed, "e7e5") for typed in ("1... e5", "1…e5")),
        *((E5, typed, "f1c4") for typed in ("bc4", "BC4", "Bc4", "♗c4", "bf1c4")),
        (E5, "bb5", "f1b5"),
        *((TWO_B, *row) for row in (("bxc4", "b3c4"), ("Bxc4", "f1c4"), ("bc4", "b3c4"), ("BXC4", None))),
        ("4k3/8/8/8/2p5/1P6/8/4K3 w - - 0 1", "Bxc4", None),  # a bishop was meant
        ("4k3/8/8/8/8/1P6/8/4KB2 w - - 0 1", "bb4", "b3b4"),
        ("4k3/8/8/8/8/B7/1P6/4K3 w - - 0 1", "bb4", None),  # b2-b4 and Bb4
        *((PROMOTION, x, "e7d8q") for x in ("exd8=q", "EXD8=Q", "ed8(Q)", "exd=Q", "e:d8/q", "e7xd8Q+", "e7d8=q")),
        (PROMOTION, "exd8", None),
        *((EN_PASSANT, typed, "e5d6") for typed in ("exd", "ed", "exd6 e.p.", "exd6ep", "5. e×d6", "EXD6")),
        *((EN_PASSANT, typed, "e1g1") for typed in ("0-0", "o-o", "OO", "O–O", "00", "0-0!", "e1h1")),
        ("4k3/8/8/3p1p2/4P3/8/8/4K3 w - - 0 1", "ex", None),
        ("4k3/3p4/3p4/4P3/8/8/8/4K3 w - - 0 1", "exd", "e5d6"),
        ("4k3/8/3p4/2p1P3/3P4/8/8/4K3 w - - 0 1", "dxc", "d4c5"),
        ("4k3/8/2p5/3P4/2p5/3P4/8/4K3 w - - 0 1", "dxc", None),  # c6 or c4
        ("4k3/8/8/8/8/2N5/8/4K1N1 w - - 0 1", "NE2", None),
        (START, "1. e4 e5", None),
        (START, " " * 9999 + "x", None),
    ],
)
def test_typed_moves_are_read_leniently_but_never_guessed(fen: str, typed: str, move: str | None) -> None:
    board = chess.Board(fen)
    if move is not None:
        assert read_move(board, typed).uci() == move
    else:
        with pytest.raises(MoveError):
            read_move(board, typed)


@pytest.mark.parametrize(
    ("fen", "read"),
    [
        ("4k3/8/8/8/8/8/8/4K2R w KQkq e3 0 1", "4k3/8/8/8/8/8/8/4K2R w K - 0 1"),
        ("k7/8/8/3pP3/8/7n/5K2/8 w - d6 0 1", "k7/8/8/3pP3/8/7n/5K2/8 w - - 0 1"),  # check by another piece
        ("4k3/8/8/r2pP2K/8/8/8/8 w - d6 0 1", "4k3/8/8/r2pP2K/8/8/8/8 w - - 0 1"),  # pinned along the rank
        ("4k3/8/8/3p4/8/8/8/4K3 w - d6 0 1", "4k3/8/8/3p4/8/8/8/4K3 w - - 0 1"),  # no pawn beside it
        ("4k3/3r4/8/3pP3/8/8/8/4K3 w - d6 0 1", "4k3/3r4/8/3pP3/8/8/8/4K3 w - - 0 1"),  # the pawn's square is taken
        ("4k3/8/8/3P4/8/8/8/4K3 w - e6 0 1", "4k3/8/8/3P4/8/8/8/4K3 w - - 0 1"),  # nothing to take
        ("5b2/8/8/3pP3/1K6/8/8/4k3 w - d6 0 1", "5b2/8/8/3pP3/1K6/8/8/4k3 w - - 0 1"),  # check before d7-d5
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1"),
    ],
)
def test_rights_that_cannot_be_used_are_dropped(fen: str, read: str) -> None:
    assert read_fen(fen).fen(en_passant="fen") == read
    if "KQkq" not in fen:
        assert (from_fen(fen) == from_fen(read)).all()
