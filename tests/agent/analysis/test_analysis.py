"""Analysis: what it says of moves whose worth is known, and that its files can be read by others."""

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import chess
import chess.pgn
import pytest
from rich.console import Console

from agent.analysis import command
from agent.analysis.command import game_table, summary
from agent.analysis.picture import picture_of_game, write_picture
from agent.engine.agent import Agent
from agent.engine.thinker import Thinker
from agent.errors import InputError
from agent.play.judge import Judged, judge_game
from agent.play.saved import find_games
from agent.search import material_evaluator

QUEEN_LOST = "1. e4 e5 2. Qh5 Nc6 3. Qxh7 Rxh7 4. Nf3 Nf6 *"
FOOL = "1. f3 e5 2. g4 Qh4# 0-1"


@pytest.fixture(scope="module")
def agent() -> Agent:
    return Agent(Thinker(material_evaluator(), megabytes=16), "material", identity="sha256:0")


def game_of(text: str) -> chess.pgn.Game:
    game = chess.pgn.read_game(io.StringIO(text))
    assert game is not None
    return game


def judged_of(text: str, agent: Agent) -> list[Judged]:
    return judge_game(game_of(text), agent, 400)


def test_a_queen_thrown_away_is_the_blunder(agent: Agent) -> None:
    judged = judged_of(QUEEN_LOST, agent)
    assert [(move.san, move.ply) for move in judged if move.verdict == "blunder"] == [("3. Qxh7", 5)]
    assert judged[4].lost > 0.5
    assert judged[5].lost < 0.1  # taking it is right
    assert sum(move.prior for move in judged) > 0
    table = io.StringIO()
    Console(file=table, width=120).print(game_table(judged))
    assert "3. Qxh7??" in table.getvalue()
    assert "White: 1 blunder" in summary(judged)


def test_mates_are_worth_a_whole_point(agent: Agent) -> None:
    judged = judged_of(FOOL, agent)
    assert (judged[3].value, judged[3].lost) == (1.0, 0.0)
    assert (judged[2].value, judged[2].verdict) == (-1.0, "blunder")


@pytest.mark.parametrize("name", ["a.svg", "a.png"])
def test_pictures(agent: Agent, tmp_path: Path, name: str) -> None:
    svg = picture_of_game(judged_of(QUEEN_LOST, agent), "A & B\x01 \ud800<c>")
    root = ElementTree.fromstring(svg)
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert "A & B <c>" in words
    assert any(word and word.startswith("3. Qxh7 lost") for word in words)
    write_picture(tmp_path / name, svg)
    assert (tmp_path / name).read_bytes().startswith(b"<svg" if name.endswith("svg") else b"\x89PNG")


def test_command(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "load_agent", lambda weights, run: agent)
    (tmp_path / "g.pgn").write_text(QUEEN_LOST)
    out, picture = tmp_path / "o.pgn", tmp_path / "o.svg"
    assert command.analyse_command(str(tmp_path / "g.pgn"), 100, out, picture, None, None) == 0
    assert game_of(out.read_text()).end().ply() == 8
    assert picture.stat().st_size > 1000
    assert command.analyse_command(chess.STARTING_FEN, 100, None, tmp_path / "p.svg", None, None) == 0
    said = capsys.readouterr().out
    assert "analysing with material" in said
    assert "White to move, 100 nodes" in said
    assert "<=+" in said  # the worth of the other moves


MINE = (
    '[Event "Š"]\n[Annotator "A. Müller"]\n\n'
    "1. e4 { best [%eval 0.3] by test } 1... e5 $1 2. Qh5 { [%clk 0:01:00] } 2... Nc6 3. Qxh7 $6 ( 3. Nf3 ) 3... Rxh7 *"
)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "windows-1252", "utf-16"])
def test_a_file_is_annotated_in_place_and_nothing_is_lost(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(command, "load_agent", lambda weights, run: agent)
    path, link = tmp_path / "db.pgn", tmp_path / "link.pgn"
    others = ['[White "Süß"]\n\n1. d4 ; kept\n*', '[Variant "Atomic"]\n\n1. e4 *', "1. e4 Ke4 {€} *"]
    path.write_bytes("\n\n".join([others[0], MINE, *others[1:]]).encode(encoding))
    link.symlink_to(path)
    for nodes in (60, 50, 50):
        before = path.read_text("utf-8") if nodes == 50 else ""
        assert command.analyse_command(str(path), nodes, link, None, None, None, 2) == 0
    assert path.read_text("utf-8") == before
    read = [found.text.strip() for found in find_games(path)]
    assert [read[0], *read[2:]] == others
    game = game_of(read[1])
    assert (game.errors, game.headers["Annotator"]) == ([], "A. Müller; ZeroMass, 50 nodes, sha256:0")
    assert [node.san() for node in game.mainline()] == ["e4", "e5", "Qh5", "Nc6", "Qxh7", "Rxh7"]
    comments = [node.comment for node in game.mainline()]
    assert [comments[0][:31], comments[2][:15]] == ["best [%eval 0.3] by test prior ", "[%clk 0:01:00] "]
    assert [(comment.count("prior "), comment.count("[%eval ")) for comment in comments] == [(1, 1)] * 6
    blunder = list(game.mainline())[4]
    assert blunder.nags == {chess.pgn.NAG_BLUNDER, chess.pgn.NAG_DUBIOUS_MOVE}
    assert "better" in blunder.comment
    assert blunder.eval().white() < chess.engine.Cp(-300)  # type: ignore[union-attr]
    assert [node.san() for node in blunder.parent.variations][:2] == ["Qxh7", "Nf3"]
    with pytest.raises(InputError, match=r"game 1 of .* has comments after ';' or '%' that --pgn .* would lose"):
        command.analyse_command(str(path), 10, path, None, None, None)


@pytest.mark.parametrize(
    ("what", "options", "why"),
    [
        ("nowhere.pgn", {}, "'nowhere.pgn' cannot be read"),
        ("not a fen", {}, "FEN 'not a fen' cannot be read"),
        ("7k/5Q2/5K2/8/8/8/8/8 b - - 0 1", {}, "no legal move"),
        (chess.STARTING_FEN, {"pgn": Path("a.pgn")}, "'a.pgn' has no use"),
        (chess.STARTING_FEN, {"picture": Path("a.jpg")}, "'a.jpg' must end in"),
        ("empty.pgn", {}, "has no moves"),
        ("kings.pgn", {"picture": Path("a.svg")}, "game 1 of 'kings.pgn' has no moves to judge"),
        ("empty.pgn", {"game_number": 2}, "game 2 of .* does not exist; it holds 1"),
    ],
)
def test_refused_with_a_sentence(
    what: str, options: dict[str, Path], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.pgn").write_text('[Event "?"]\n\n*\n')
    (tmp_path / "kings.pgn").write_text('[FEN "4k3/8/8/8/8/8/8/4K3 w - - 0 1"]\n\n1. Ke2 Kd7 *\n')
    arguments = {"pgn": None, "picture": None, **options}
    with pytest.raises(InputError, match=why):
        command.analyse_command(what, 10, weights=None, run=None, **arguments)  # type: ignore[arg-type]
