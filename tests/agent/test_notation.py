"""Reading moves and FENs; the sentences of refusal are tested in the dialogue, tests/agent/terminal/test_plain.py."""

import re

import chess
import pytest

from agent.notation import MoveError, read_fen, read_move


def test_candidates_of_an_ambiguous_move_can_be_typed() -> None:
    board = chess.Board("4k3/8/8/8/8/2N5/8/2N1K1N1 w - - 0 1")
    with pytest.raises(MoveError) as error:
        read_move(board, "Ne2")
    typed = re.findall(r"N\w+e2", str(error.value))
    assert {read_move(board, text).uci() for text in typed} == {"c3e2", "c1e2", "g1e2"}


@pytest.mark.parametrize(
    "fen",
    [
        chess.STARTING_FEN,
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
        "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 b kq - 0 1",
        "8/2p5/3p4/KP5r/1R3pPk/8/4P3/8 b - g3 0 1",
    ],
)
def test_every_legal_move_is_read_in_every_spelling(fen: str) -> None:
    board = chess.Board(fen)
    for move in board.legal_moves:
        uci, san = move.uci(), board.san(move)
        spellings = [
            uci,
            uci.upper(),
            f"{uci[:2]}-{uci[2:]}",
            san,
            f" {san}!? ",
            san.replace("O", "0"),
            board.lan(move),
        ]
        if san[0] in "NRQK":
            spellings.append(san[0].lower() + san[1:])
        assert {spelling: read_move(board, spelling).uci() for spelling in spellings} == dict.fromkeys(spellings, uci)


def test_read_fen_drops_rights_that_cannot_be() -> None:
    assert read_fen("4k3/8/8/8/8/8/8/4K2R w KQkq e3 0 1").fen() == "4k3/8/8/8/8/8/8/4K2R w K - 0 1"
