"""The plain game: exact dialogues with a scripted agent, and a whole game with the real one over a pipe."""

import io
import random
import re
from pathlib import Path
from unittest import mock

import chess
import pytest

from agent.engine.agent import Agent
from agent.play.commands import COMMANDS
from agent.terminal.plain import Dialogue
from tests.agent.standin import Scripted
from tests.processes import start_zeromass
from tests.tables import table

ROOT = Path(__file__).resolve().parents[3]


def talk(
    lines: str, agent: str = "", *, fen: str = chess.STARTING_FEN, person: chess.Color = True, value: float = 0.25
) -> tuple[str, Dialogue]:
    """Type `lines` (separated by ;) against an agent with scripted moves; what was said, and the dialogue."""
    output = io.StringIO()
    typed = io.StringIO("".join(f"{line.strip()}\n" for line in lines.split(";")))
    scripted = Agent(Scripted(agent, value), "a script", identity="sha256:0")
    dialogue = Dialogue(scripted, chess.Board(fen), person, input=typed, output=output)
    dialogue.run()
    dialogue.close()
    return output.getvalue(), dialogue


def test_fools_mate_ends_with_result_reason_and_next_command() -> None:
    said, dialogue = talk("f3; g2g4; never read", "e7e5 d8h4")
    assert "Agent: 1... e5 (expected score +0.25 for the agent)" in said
    assert "Agent: 2... Qh4#" in said
    assert said.endswith("\nResult: 0-1 (Black wins by checkmate, 2 moves).\nPlay again: zeromass play --plain\n")
    assert dialogue.board.is_checkmate()


def test_person_mates_as_black_and_sees_the_board_from_there() -> None:
    said, _ = talk("e5; Qh4", "f2f3 g2g4", person=chess.BLACK)
    assert "Result: 0-1 (Black wins by checkmate, 2 moves)." in said
    assert "\n1 ♖ ♘ ♗ ♔ ♕ ♗ ♘ ♖\n2 ♙ ♙ · ♙ ♙ ♙ ♙ ♙\n3 · · ♙ · · · · ·\n" in said
    assert "\n8 ♜ ♞ ♝ ♚ ♛ ♝ ♞ ♜\n  h g f e d c b a\n" in said


@pytest.mark.parametrize(("fen", "line", "result"), table("endings"))
def test_ends_by_the_rules_of_chess(fen: str, line: str, result: str) -> None:
    assert f"Result: {result}." in talk(line, fen=fen, person=chess.Board(fen).turn)[0]


@pytest.mark.parametrize(
    ("fen", "typed", "sentence"),
    [
        *table("refused_moves"),
        (chess.STARTING_FEN, "\x1b[A", "'\\x1b[A' cannot be read"),
        (chess.STARTING_FEN, "z" * 500, f"'{'z' * 37}...' cannot be read"),
    ],
)
def test_refused_with_one_sentence_and_asked_again(fen: str, typed: str, sentence: str) -> None:
    said, dialogue = talk(typed, fen=fen)
    assert sentence in said
    assert said.count("your move") == 2
    assert dialogue.board.fen() == fen
    assert len([line for line in said.splitlines() if "is illegal" in line or "cannot be read" in line]) <= 1


def test_commands_that_tell() -> None:
    said, _ = talk("help; ?; moves; fen; FEN; hint; pgn", "g1f3")
    assert said.count("take back your move") == 2
    assert "Na3 Nc3 Nf3 Nh3 a3 a4 b3 b4 c3 c4 d3 d4 e3 e4 f3 f4 g3 g4 h3 h4\n" in said
    assert said.count(chess.STARTING_FEN) == 2
    assert "Hint: Nf3 (expected score +0.25 for you)" in said
    assert '[White "You"]' in said
    assert '[Black "ZeroMass (a script)"]' in said


@pytest.mark.parametrize(("lines", "agent", "person", "moves", "sentence"), table("dialogues"))
def test_what_commands_make_of_the_game(lines: str, agent: str, person: str, moves: str, sentence: str) -> None:
    said, dialogue = talk(lines, agent, person=person == "white")
    assert " ".join(move.uci() for move in dialogue.board.move_stack) == moves
    assert sentence.replace(r"\n", "\n") in said


def test_draw_is_claimed_only_where_it_can_be() -> None:
    said, _ = talk("draw; Nf3; Ng1; draw; Nf3; Ng1; draw", "g8f6 f6g8 g8f6 f6g8")
    assert said.count("No draw can be claimed here") == 2
    assert "Result: 1/2-1/2 (draw by threefold repetition, 4 moves)." in said


@pytest.mark.parametrize(("value", "claimed"), [(-0.5, True), (0.5, False)])
def test_agent_claims_a_draw_when_it_stands_worse(value: float, claimed: bool) -> None:
    # After 4... Ng8 and 5. Nf3, Black is to move in that position for the third time.
    said, _ = talk("Nf3; Ng1; Nf3; Ng1; Nf3", "g8f6 f6g8 g8f6 f6g8 g8f6", value=value)
    assert ("Result: 1/2-1/2 (the agent claims threefold repetition" in said) == claimed


def test_a_person_goes_on_after_the_game(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["resign", "e4", "resign", "draw", "hint", "pgn", "undo", "e4", "resign", "new", "d4"]
    monkeypatch.setattr("builtins.input", typed := mock.Mock(side_effect=[*lines, EOFError]))
    output = io.StringIO()
    scripted = Agent(Scripted("e7e5 d7d5"), "a script")
    dialogue = Dialogue(scripted, chess.Board(), chess.WHITE, input=io.StringIO(), output=output, keyboard=True)
    dialogue.run()
    assert typed.mock_calls[1] == mock.call("new, undo, pgn or quit: ")
    said = output.getvalue()
    assert "The game is over, so 'e4' cannot be played; type new, undo, pgn or quit." in said
    assert said.count("The game is over.") == 3
    assert '[Result "0-1"]' in said
    assert '[Termination "White resigns"]' in said
    assert "Result: 0-1 (White resigns, 1 move)." in said
    assert [move.uci() for move in dialogue.board.move_stack] == ["d2d4", "d7d5"]


def test_board_in_letters_where_the_stream_has_no_figurines() -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")  # as the program has it
    scripted = Agent(Scripted(""), "run café")
    Dialogue(scripted, chess.Board(), chess.WHITE, input=io.StringIO(""), output=output).run()
    output.seek(0)
    said = output.read()
    assert "8 r n b q k b n r\n7 p p p p p p p p\n6 . . . . . . . .\n" in said
    assert "run caf?" in said


def test_guide_and_help_name_every_command() -> None:
    commands = {*COMMANDS, "quit"}
    guide = (ROOT / "docs/play.md").read_text()
    rows = re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \|", guide, re.MULTILINE)
    assert {word for row in rows for word in re.findall(r"[a-z]+", row)} == commands
    said, _ = talk("help")
    assert all(re.search(rf"^(.*  )?{command}  ", said, re.MULTILINE) for command in commands)


def test_whole_game_over_a_pipe(tmp_path: Path) -> None:
    """To the end by the rules, with refused lines on the way; the agent's moves are followed by python-chess."""
    process, board, chance = start_zeromass("play", "--plain", folder=tmp_path), chess.Board(), random.Random(5)
    refused = asked = 0
    result = ""
    for line in map(str.rstrip, process.stdout):
        if match := re.match(r"Agent: \d+\.\.\. (\S+) \(expected score [+-][01]\.\d\d for the agent\)", line):
            board.push_san(match[1])
        elif "is illegal here" in line or "cannot be read" in line:
            refused += 1
        elif line.startswith("Result: "):
            result = line
        elif "your move" in line:
            asked += 1
            typed = {3: "e2e9", 4: "a8a1", 6: "Kh8h1"}.get(asked)
            if typed is None:
                move = mate_or_capture(board, chance)
                typed = board.san(move) if asked % 2 else move.uci()
                board.push(move)
            process.stdin.write(f"{typed}\n")
            process.stdin.flush()
    assert process.wait() == 0
    assert process.stderr.read() == ""
    assert refused == 3
    # A draw that the agent claimed is over before python-chess says so.
    outcome = board.outcome(claim_draw="the agent claims" in result)
    assert outcome is not None
    assert f"Result: {outcome.result()} (" in result


def mate_or_capture(board: chess.Board, chance: random.Random) -> chess.Move:
    """Mate, else a capture, else anything: games that end soon."""
    moves = list(board.legal_moves)
    chance.shuffle(moves)
    return max(moves, key=lambda move: (board.san(move).endswith("#"), board.is_capture(move)))
