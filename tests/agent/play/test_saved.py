"""One reader of games for all verbs: every encoding, and a game that cannot be used is named and skipped."""

import io
from pathlib import Path

import chess.pgn
import pytest

from agent.analysis import command
from agent.engine.agent import Agent
from agent.errors import InputError
from agent.play.commands import obey
from agent.play.provenance import Source, note, write_source
from agent.play.replay import replay_command
from agent.play.saved import find_games, read_games
from agent.play.strength import Strength
from agent.terminal.plain import Dialogue
from tests.agent.standin import Scripted
from training.evaluation.audit import positions_of_pgn

GOOD = '[White "Šulík’s"]\n[Black "Müller"]\n\n1. e4 {süß} e5 2. Nf3 *\n\n'
CRAZY = '[Variant "Crazyhouse"]\n\n1. e4 d5 2. exd5 Qxd5 3. Nc3 Qd8 4. P@e4 *'
TWO_PAWNS = '[FEN "4k3/8/8/8/8/8/4P3/4K3 w'
CASES = {  # text of a game to its number of moves, or why it cannot be used
    "1.e4 e5 2 Nf3?! Nc6 $1 (2... d6 (2... -- 3. d4) 3. d4) 0-1": 4,
    "e2e4 e7-e5 g1f3 ; the rest\n% of it\nNc6": 4,
    f'{TWO_PAWNS} KQkq e6 0 1"]\n\n1. e4 Kd7 1/2-1/2': 2,
    f'[Variant "From Position"]\n{TWO_PAWNS} - -"]\n\n1. e4 *': 1,
    '[Bad tag]\n[Site "a; b"]\n\n{begin} 1. d4 {a (b) 2. c4\n\n} d5': 2,
    CRAZY: "variant is Crazyhouse, not standard chess",
    '[Variant "Antichess"]\n\n1. e3 b5 2. Bxb5 *': "variant is Antichess",
    '[Variant "fischerandom"]\n\n1. e4 *': "variant is fischerandom",
    '[FEN "bqnnrkrb/pppppppp/8/8/8/8/PPPPPPPP/BQNNRKRB w GEge - 0 1"]\n\n1. e4 *': "variant is Chess960",
    '[Variant "Knightmare"]\n\n1. e4 *': "Knightmare",
    '[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n*': "White has no king",
    f'{TWO_PAWNS} - - 0 16777215"]\n\n1. e4 Kd7 *': "a clock is too high",
    '[FEN "nonsense"]\n\n1. e4 *': "nonsense",
    "1. e4 c5 2. Nf3 d6 3. d4 cxd4 4. Nxd4 -- 5. Nc3 *": "4... -- is no legal move",
    "1. e4 Ke4 *": "illegal san: 'Ke4'",
    "1. e4 e5 2. Nf3 (2. Ke4) 2... Nc6) 3. Bb5 *": "illegal san: 'Ke4'",  # python-chess loses its way
    f"1. e4 ${'9' * 5000} e5\n2. Nf3 *": "integer string",
    "Dear reader": "neither tags nor moves",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "mixed"])
def test_text_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.pgn"
    path.write_bytes(GOOD.encode("cp1252") + GOOD.encode() if encoding == "mixed" else (2 * GOOD).encode(encoding))
    read = [[game.headers["White"], game.headers["Black"], game.variations[0].comment] for game in read_games(path)]
    assert read == [["Šulík’s", "Müller", "süß"]] * 2
    assert "".join(found.text for found in find_games(path)) == 2 * GOOD
    path.write_bytes(b"1. e4 {" + bytes(range(0x80, 0x100)) + b"} *")
    (game,) = read_games(path)
    assert len(set(game.variations[0].comment) - {"\ufffd"}) == 128


@pytest.mark.parametrize(("text", "found"), CASES.items(), ids=[text[:30] for text in CASES])
def test_a_game_is_read_or_named_and_skipped(
    tmp_path: Path, text: str, found: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    path, said = tmp_path / "a.pgn", list[str]()
    path.write_text(f"{GOOD}{text}\n\n{GOOD}", "utf-8")
    moves = [len(list(game.mainline_moves())) for game in read_games(path, said.append)]
    assert moves == ([3, found, 3] if isinstance(found, int) else [3, 3])
    if isinstance(found, str):
        assert [sentence.startswith(f"skipped: game 2 of '{path}' cannot be read (") for sentence in said] == [True]
        assert found in said[0]
        path.write_text(text)
        with pytest.raises(InputError, match=r"game 1 of .* cannot be read"):
            next(read_games(path))
    assert not caplog.records  # python-chess would print its own opinion


@pytest.mark.parametrize(("name", "why"), [("no.pgn", "cannot be read"), ("/dev/null", "holds no game")])
def test_files_without_games_are_refused(name: str, why: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' {why}"):
        next(read_games(Path(name)))


def test_every_verb_reads_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, agent = tmp_path / "a.pgn", Agent(Scripted("e2e4"), "scripted", identity="sha256:0")
    game = chess.pgn.Game()
    game.add_variation(chess.Move.from_uci("e2e4"), comment=note(0.5, Strength(20)))
    write_source(game, chess.WHITE, Source("sha256:0"))
    path.write_text(f"{CRAZY}\n\n{game}\n")
    for module in ("agent.analysis.command", "agent.play.replay"):
        monkeypatch.setattr(f"{module}.load_agent", lambda weights, run: agent)
    assert replay_command(path, None, None) == 0
    assert [len(batch) for batch in positions_of_pgn(path, print)] == [1]
    output = io.StringIO()
    session = Dialogue(agent, chess.Board(), chess.WHITE, input=io.StringIO(), output=output)
    assert obey(session, f"load {path}")
    assert len(session.game.notes) == 1
    told = capsys.readouterr().out + output.getvalue()
    assert told.count(f"skipped: game 1 of '{path}' cannot be read (its variant is Crazyhouse") == 3
    with pytest.raises(InputError, match=r"game 1 of .* variant is Crazyhouse"):
        command.analyse_command(str(path), 10, None, None, None, None)
