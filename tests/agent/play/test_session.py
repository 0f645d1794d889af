"""Commands around a game, over a pipe: each in a test, every mistake answered by a sentence."""

import io
import shutil
from pathlib import Path
from types import SimpleNamespace

import chess
import chess.pgn
import pytest

from agent.engine.agent import Agent
from agent.play.commands import obey
from agent.play.sides import ChosenMove, EngineSide
from agent.play.strength import strength_of
from agent.terminal.plain import Dialogue
from tests.agent.standin import Scripted
from tests.agent.terminal.test_plain import talk
from tests.tables import table

STOCKFISH = shutil.which("stockfish") or ("/usr/games/stockfish" if Path("/usr/games/stockfish").exists() else None)


@pytest.mark.parametrize(("line", "sentence"), table("refused_commands"))
def test_mistakes_are_answered_by_a_sentence(line: str, sentence: str) -> None:
    said, dialogue = talk(line)
    assert sentence in said
    assert dialogue.board == chess.Board()


def test_strength_reaches_the_agent() -> None:
    said, dialogue = talk("strength; strength 2s; e4; strength elo 600; d4", "e7e5 d7d5")
    assert "The agent plays with 1 s a move." in said
    assert "The agent plays with about 600 Elo." in said
    thinker = dialogue.agent.think.__self__  # type: ignore[attr-defined]
    asked = [(limits.simulations, limits.seconds, options.temperature) for _, limits, options in thinker.asked]
    simulations, temperature, *_ = strength_of(600)
    assert asked == [(None, 2.0, 0.0), (simulations, None, temperature)]


def test_agent_against_itself_to_the_end() -> None:
    said, dialogue = talk("side none", fen="7k/8/8/8/8/8/8/K6R w - - 140 1")
    assert dialogue.game.over
    assert "Result: 1/2-1/2" in said or "wins by checkmate" in said


def test_position_set_up_and_thought_told() -> None:
    said, dialogue = talk("fen 4k3/8/8/8/8/8/4P3/4K3 w - - 0 1; e4; think", "e8e7")
    assert dialogue.board.fen().startswith("8/4k3/8/8/4P3/8/8/4K3 w")
    assert "win 50.0 %, draw 25.0 %, loss 25.0 %; 20 nodes" in said
    assert "Ke7     prior  50.0 %  nodes       20  value +0.25" in said


@pytest.mark.parametrize(("fen", "result"), table("ended"))
def test_position_set_up_that_is_over(fen: str, result: str) -> None:
    """Whether or not the agent is to move, no side is asked for a move that does not exist."""
    said, dialogue = talk(f"fen {fen}; quit")
    assert dialogue.game.over
    assert f"({result}, 0 moves)." in said


@pytest.mark.parametrize(("identity", "marked"), [("sha256:0", False), ("sha256:1", True)])
def test_moves_of_the_agent_before_are_marked(tmp_path: Path, identity: str, marked: bool) -> None:
    """A game goes on with other weights: what the first ones chose is not laid at the door of the second."""
    path = tmp_path / "g.pgn"
    talk(f"e4; d4; save {path}", "e7e5 d7d5")
    scripted = Agent(Scripted("a7a6"), "a script", identity=identity)
    lines = io.StringIO(f"load {path}\nNf3\nsave {path}\nsave {path}.2\nsave {path}.2\n")
    dialogue = Dialogue(scripted, chess.Board(), chess.WHITE, input=lines, output=io.StringIO(), seed=9)
    dialogue.run()
    saved = chess.pgn.read_game(io.StringIO(Path(f"{path}.2").read_text()))
    assert saved is not None
    assert "Nf3" not in path.read_text()  # only a file of this session is written again
    assert saved.headers["BlackSeed"] == "0"  # the game's, not this session's
    comments = [node.comment for node in saved.mainline() if node.turn() == chess.WHITE]
    assert [comment.endswith(", by another agent") for comment in comments] == [marked, marked, False]
    dialogue.load = lambda name: Agent(Scripted(), name, identity="sha256:2")
    obey(dialogue, "run x")
    assert all(comment.endswith(", by another agent") for comment in dialogue.game.notes[1::2])


@pytest.mark.parametrize(("value", "moves", "accepted"), [(-0.1, 10, True), (0.1, 10, False), (-0.1, 3, False)])
def test_draw_offer(value: float, moves: int, accepted: bool) -> None:
    """The agent takes a draw where it expects no more, but not in the opening."""
    white = ["a3", "b3", "c3", "d3", "e3", "f3", "g3", "h3", "a4", "b4"]
    black = "a7a6 b7b6 c7c6 d7d6 e7e6 f7f6 g7g6 h7h6 a6a5 b6b5"
    said, dialogue = talk(";".join([*white[:moves], "draw"]), black, value=value)
    assert (dialogue.game.reason == "draw by agreement") == accepted
    assert ("Your offer is declined" in said) != accepted


def test_saved_and_loaded_with_provenance(tmp_path: Path) -> None:
    path = tmp_path / "g.pgn"
    said, _ = talk(f"e4; d4; save {path}; new; load {path}; Nf3", "e7e5 d7d5 a7a6")
    assert f"Saved to {path}" in said
    assert "4 plies" in said
    saved = chess.pgn.read_game(io.StringIO(path.read_text()))
    assert saved is not None
    assert saved.headers["BlackWeights"] == "sha256:0"
    assert "WhiteWeights" not in saved.headers
    told = "score +0.250, 20 nodes"
    wanted = [("e4", ""), ("e5", told), ("d4", ""), ("d5", told)]
    assert [(node.san(), node.comment) for node in saved.mainline()] == wanted


def test_clock_is_shown_and_a_new_game_begins() -> None:
    said, dialogue = talk("e4; clock 5+3; d4; clock off", "e7e5 d7d5")
    assert "Clocks: 5+3; a new game begins." in said
    assert "White 300.0 s, Black 300.0 s" in said
    assert dialogue.board == chess.Board()


def test_a_flag_falls_and_a_move_chosen_too_late_is_not_played() -> None:
    _, dialogue = talk("clock 5+0; quit")
    dialogue.game._left[chess.WHITE] = -0.1
    dialogue.apply(ChosenMove(chess.Move.from_uci("e2e4"), "", None))
    assert (dialogue.board, dialogue.game.result, dialogue.game.reason) == (chess.Board(), "0-1", "Black wins on time")


def test_themes() -> None:
    said, _ = talk("theme ascii; theme; theme")
    assert "8 r n b q k b n r" in said
    assert said.count("Theme: ") == 3


@pytest.mark.skipif(STOCKFISH is None, reason="no stockfish on this machine")
def test_another_engine_takes_the_agents_place() -> None:
    said, dialogue = talk(f"strength 0.05s; engine {STOCKFISH}; e4; engine off; d4")
    assert "Engine: 1... " in said
    assert "The agent plays again." in said
    assert len(dialogue.board.move_stack) == 4
    assert not any(isinstance(side, EngineSide) for side in dialogue.sides.values())


SHOWN = "e4|e4; resign|e4; d4; undo"
HIDDEN = (
    "e4; undo|e4; new|e4; fen 4k3/8/8/8/8/8/4P3/4K3 w - - 0 1|e4; clock 5+3|e4; save FILE; d4; load FILE|e4; engine x|"
    "e4; engine x; d4; Nc3; engine off|e4; side both; d4; d5; side white"
)


@pytest.mark.parametrize("lines", [*SHOWN.split("|"), *HIDDEN.split("|")])
def test_thoughts_are_those_about_the_last_moves(lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `think` and the board tell, and by what the agent takes a draw."""
    for name, stand_in in (
        ("start_engine", lambda command: SimpleNamespace(id={})),
        ("engine_move", lambda engine, name, board, limit: min(board.legal_moves, key=chess.Move.uci)),
        ("close_engine", lambda engine: None),
    ):
        monkeypatch.setattr(f"agent.play.sides.{name}", stand_in)
    said, dialogue = talk(lines.replace("FILE", str(tmp_path / "a.pgn")) + "; think", "e7e5")
    assert (dialogue.thought is not None) == ("Nothing yet." not in said) == (lines in SHOWN.split("|"))
    assert dialogue.thought is None or dialogue.thought[1].ply() == 1
