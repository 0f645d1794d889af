"""Textual's pilot at the board: whole games by mouse and by keyboard, promotions and en passant among them."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import chess
import chess.pgn
import pytest
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input

from agent.engine.agent import Agent
from agent.play.level import Level
from agent.terminal.app import BoardApp
from agent.terminal.dialogs import Page, Promotion
from agent.terminal.squares import Squares
from agent.terminal.view import BoardSession
from tests.agent.standin import Gated, Scripted
from tests.agent.terminal.screens import offset_of

Hands = Callable[["Pilot[None]", chess.Move], Awaitable[None]]
PROMOTIONS = "7k/P7/8/8/8/8/8/K7 w - - 0 1"


@contextlib.asynccontextmanager
async def board_app(
    thinker: Scripted, fen: str = chess.STARTING_FEN, person: chess.Color = chess.WHITE, *, small: bool = False
) -> AsyncIterator[tuple[BoardApp, "Pilot[None]"]]:
    """The app on a terminal of 130 x 40 characters, or 80 x 24, against an agent that answers as `thinker` does."""
    agent = Agent(thinker, "a script", identity="sha256:0")
    app = BoardApp(BoardSession(agent, chess.Board(fen), person, level=Level(simulations=8)))
    async with app.run_test(size=(80, 24) if small else (130, 40)) as pilot:
        yield app, pilot


async def until(pilot: "Pilot[None]", so: Callable[[], bool]) -> None:
    for _ in range(600):
        await pilot.pause(0.02)
        if so():
            return
    raise AssertionError("it never came true")


async def settle(pilot: "Pilot[None]", plies: int) -> None:
    """Until the agent has answered."""
    app = pilot.app
    assert isinstance(app, BoardApp)
    await until(pilot, lambda: len(app.session.game.notes) >= plies or app.session.game.over)


async def click(pilot: "Pilot[None]", *places: chess.Square) -> None:
    squares = pilot.app.query_one(Squares)
    for square in places:
        assert await pilot.click(squares, offset=offset_of(squares, square))
        await pilot.pause()


async def press(pilot: "Pilot[None]", *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


async def by_mouse(pilot: "Pilot[None]", move: chess.Move) -> None:
    await click(pilot, move.from_square, move.to_square)
    if move.promotion:
        await pilot.click(f"#{chess.piece_name(move.promotion)}")
        await pilot.pause()


async def by_arrows(pilot: "Pilot[None]", move: chess.Move) -> None:
    squares = pilot.app.query_one(Squares)
    squares.focus()
    turn = -1 if squares.flipped else 1
    for square in (move.from_square, move.to_square):
        files = turn * (chess.square_file(square) - chess.square_file(squares.cursor))
        ranks = turn * (chess.square_rank(square) - chess.square_rank(squares.cursor))
        keys = ["right" if files > 0 else "left"] * abs(files) + ["up" if ranks > 0 else "down"] * abs(ranks)
        await press(pilot, *keys, "enter")
    if move.promotion:
        await press(pilot, chess.piece_symbol(move.promotion))


async def by_typing(pilot: "Pilot[None]", move: chess.Move) -> None:
    app = pilot.app
    assert isinstance(app, BoardApp)
    await type_line(pilot, app.session.board.san(move))


async def type_keys(pilot: "Pilot[None]", line: str) -> None:
    named = {" ": "space", "+": "plus", "#": "number_sign", "=": "equals_sign", "-": "minus", "/": "slash"}
    await pilot.press(*(named.get(letter, letter) for letter in line))


async def type_line(pilot: "Pilot[None]", line: str) -> None:
    pilot.app.query_one("#line").focus()
    await type_keys(pilot, line)
    await press(pilot, "enter")


@pytest.mark.parametrize("hands", [by_mouse, by_arrows, by_typing])
async def test_a_whole_game_with_en_passant_to_mate(hands: Hands) -> None:
    """1. e4 a6 2. e5 f5 3. exf6 and so on to 7. Bxg6 mate."""
    async with board_app(Scripted("a7a6 f7f5 a6a5 a5a4 g7g6 h7g6")) as (app, pilot):
        for ply, uci in enumerate(["e2e4", "e4e5", "e5f6", "f1d3", "d1h5", "h5g6", "d3g6"]):
            move = chess.Move.from_uci(uci)
            assert app.session.board.is_en_passant(move) == (uci == "e5f6")
            await hands(pilot, move)
            await settle(pilot, 2 * ply + 2)
        assert app.session.board.is_checkmate()
        assert (app.session.game.result, app.session.game.reason) == ("1-0", "White wins by checkmate")


@pytest.mark.parametrize("hands", [by_mouse, by_arrows, by_typing])
@pytest.mark.parametrize("piece", "qrbn")
async def test_promotion_to_each_piece(hands: Hands, piece: str) -> None:
    async with board_app(Scripted("h8h7"), PROMOTIONS) as (app, pilot):
        await hands(pilot, chess.Move.from_uci(f"a7a8{piece}"))
        await settle(pilot, 1)
        assert app.session.board.piece_at(chess.A8) == chess.Piece.from_symbol(piece.upper())


async def test_a_whole_game_as_black_on_a_turned_board() -> None:
    async with board_app(Scripted("f2f3 g2g4"), person=chess.BLACK) as (app, pilot):
        await settle(pilot, 1)
        assert app.query_one(Squares).flipped
        await by_mouse(pilot, chess.Move.from_uci("e7e5"))
        await settle(pilot, 3)
        await by_mouse(pilot, chess.Move.from_uci("d8h4"))
        assert app.session.game.result == "0-1"


async def test_clicks_that_are_no_move_do_nothing() -> None:
    async with board_app(Scripted()) as (app, pilot):
        squares = app.query_one(Squares)
        await click(pilot, chess.E7, chess.E4, chess.G1, chess.G1, chess.G1, chess.G5, chess.E2, chess.D2)
        assert app.session.game.notes == []
        assert squares.selected == chess.D2
        assert squares.targets == {chess.D3, chess.D4}
        await pilot.click(squares, offset=(0, 0))  # the margin
        assert squares.square_at(0, 0) is None


async def test_promotion_can_be_taken_back() -> None:
    async with board_app(Scripted(), PROMOTIONS) as (app, pilot):
        await click(pilot, chess.A7, chess.A8)
        assert isinstance(app.screen, Promotion)
        await press(pilot, "escape")
        assert app.session.game.notes == []


async def test_commands_by_keys_and_by_typing(tmp_path: Path) -> None:
    async with board_app(Scripted("e7e5 h8g7")) as (app, pilot):
        await type_line(pilot, "e4")
        await settle(pilot, 2)
        await press(pilot, "f5")
        assert app.query_one(Squares).flipped
        for theme in ("ascii", "colour-blind", "figurines"):
            await press(pilot, "f6")
            assert app.query_one(Squares).theme_name == theme
        app.action_obey(f"save {tmp_path / 'a.pgn'}")
        await press(pilot, "f4")
        assert app.session.game.notes == []
        app.action_obey(f"load {tmp_path / 'a.pgn'}")
        assert len(app.session.game.notes) == 2
        await type_line(pilot, "strength elo 900")
        assert app.session.level == Level(elo=900)
        await press(pilot, "f8")
        assert app.session.game.reason == "White resigns"
        await press(pilot, "f2")
        assert not app.session.game.over
        app.action_obey(f"fen {PROMOTIONS}")
        await type_line(pilot, "a8=Q")
        await settle(pilot, 1)
        await type_line(pilot, "quit")
    assert app.return_code == 0


async def test_agent_against_itself_and_interruption() -> None:
    async with board_app(Scripted()) as (app, pilot):
        app.action_obey("side none")
        await settle(pilot, 6)
        app.action_obey("side both")
        notes = list(app.session.game.notes)
        await pilot.pause(0.1)
        assert (app.session.game.notes, app.session.mover) == (notes, None)


async def test_a_slow_command_leaves_the_board_alive() -> None:
    """While a hint is thought about, everything else is answered, if only with a sentence."""
    gated = Gated()
    async with board_app(gated) as (app, pilot):
        app.action_obey("hint")
        await type_line(pilot, "e4")
        assert "Still busy with 'hint'" in app.said[-1]
        await by_mouse(pilot, chess.Move.from_uci("e2e4"))
        assert app.session.game.notes == []
        gated.go_on.set()
        await until(pilot, lambda: app.said[-1].startswith("Hint: "))
        await type_line(pilot, "e4")
        await settle(pilot, 2)


async def test_a_long_text_has_a_page_of_its_own() -> None:
    async with board_app(Scripted(), small=True) as (app, pilot):
        for key in ("escape", "enter", "f1"):
            await press(pilot, "f1")
            assert isinstance(app.screen, Page)
            await press(pilot, "down", key)
            assert not isinstance(app.screen, Page)
        await type_line(pilot, "fen")
        assert app.said[-1] == chess.STARTING_FEN


async def test_a_resized_terminal_keeps_the_whole_board_and_the_line() -> None:
    async with board_app(Scripted("e7e5")) as (app, pilot):
        for size in ((40, 12), (80, 24), (20, 5), (200, 60), (60, 30)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
            squares = app.query_one(Squares)
            if size != (20, 5):
                assert squares.region.bottom <= app.query_one("#line").region.y < size[1]
                assert squares.region.right <= size[0]
        await by_mouse(pilot, chess.Move.from_uci("e2e4"))
        await settle(pilot, 2)


async def test_what_is_typed_reaches_the_line_wherever_one_has_clicked() -> None:
    async with board_app(Scripted(), small=True) as (app, pilot):
        line = app.query_one("#line", Input)
        for place in ("#squares", "#moves", "#said", "", "tab"):
            if place == "tab":
                await pilot.press("tab")  # one, from the line
                assert isinstance(app.focused, Squares)
            elif place:
                await pilot.click(place)
            else:
                app.set_focus(None)
            await pilot.press("h")
            await pilot.click(Squares)
            await pilot.press("e")
            app.set_focus(app.query_one(Squares))
            app.post_message(Paste("lp\nand a line more"))
            await pilot.pause()
            assert line.value == "help", place
            line.clear()
        await press(pilot, "f", "e", "n", "enter")
        assert app.said[-1] == chess.STARTING_FEN


@pytest.mark.parametrize("typed", ["g1", "g1=", "g2g1", "gxh1", "g2h1", "gxf1"])
async def test_a_promotion_is_completed_to_a_queen(typed: str) -> None:
    async with board_app(Scripted(), "8/8/8/8/8/k7/6p1/1K3N1R b - - 0 1", chess.BLACK, small=True) as (app, pilot):
        await type_keys(pilot, typed)
        await pilot.pause(0.1)
        await pilot.press("right", "enter")
        await settle(pilot, 1)
        assert app.session.board.move_stack[0].promotion == chess.QUEEN


async def test_the_clock_may_tick_while_the_board_closes() -> None:
    async with board_app(Scripted()) as (app, _):
        app.action_obey("clock 5+3")
    app._tick()  # as Textual's timer may, when the widgets are gone
