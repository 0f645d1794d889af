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
from tests.tables import table
from training.evaluation.audit import positions_of_pgn

GOOD = '[White "Šulík’s"]\n[Black "Müller"]\n\n1. e4 {süß} e5 2. Nf3 *\n\n'
CRAZY = '[Variant "Crazyhouse"]\n\n1. e4 d5 2. exd5 Qxd5 3. Nc3 Qd8 4. P@e4 *'
CASES = [(text.replace(r"\n", "\n").replace("{nines}", "9" * 5000), found) for text, found in table("saved_games")]


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


@pytest.mark.parametrize(("text", "found"), CASES, ids=[text[:30] for text, _ in CASES])
def test_a_game_is_read_or_named_and_skipped(
    tmp_path: Path, text: str, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, said = tmp_path / "a.pgn", list[str]()
    path.write_text(f"{GOOD}{text}\n\n{GOOD}", "utf-8")
    moves = [len(list(game.mainline_moves())) for game in read_games(path, said.append)]
    assert moves == ([3, int(found), 3] if found.isdigit() else [3, 3])
    if not found.isdigit():
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
