"""Reading moves and FENs; the sentences of refusal are tested in the dialogue, tests/agent/terminal/test_plain.py."""

import chess
import pytest

from agent.notation import MoveError, read_fen, read_move
from agent.rules import from_fen
from tests.tables import table


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


@pytest.mark.parametrize(
    ("fen", "typed", "move"),
    [
        *((fen, one, move) for fen, typed, move in table("notation") for one in typed.split(" ; ")),
        (chess.STARTING_FEN, "♞\ufe0ef3", "g1f3"),
        (chess.STARTING_FEN, " " * 9999 + "x", ""),
    ],
)
def test_typed_moves_are_read_leniently_but_never_guessed(fen: str, typed: str, move: str) -> None:
    board = chess.Board(fen)
    if move:
        assert read_move(board, typed).uci() == move
    else:
        with pytest.raises(MoveError):
            read_move(board, typed)


@pytest.mark.parametrize(("fen", "read"), table("rights"))
def test_rights_that_cannot_be_used_are_dropped(fen: str, read: str) -> None:
    assert read_fen(fen).fen(en_passant="fen") == read
    if "KQkq" not in fen:
        assert (from_fen(fen) == from_fen(read)).all()
