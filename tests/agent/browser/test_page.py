"""The page in Chromium, as people use it: whole games by mouse and by keyboard, thoughts, heat map, lost servers."""

import contextlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import chess.pgn
import pytest

from tests.processes import start_zeromass

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; it is in the dev extra")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")]

FLAGS = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update"
SIZES = ((360, 640), (768, 1024), (1440, 900))
# En passant, a promotion (PIECE), castling, and mate.
GAME = "e2e4 a7a6 e4e5 d7d5 e5d6 a6a5 d6c7 a5a4 c7b8PIECE a4a3 g1f3 h7h6 f1c4 h6h5 e1g1 h5h4 f3e5 h4h3 d1f3 h3g2 f3f7"
LOST = "1. e4 e5 2. Qh5 Nc6 3. Qxh7 Rxh7 4. Nf3 Nf6 *"


@contextlib.contextmanager
def serving(*words: str) -> Iterator[str]:
    """The address of `zeromass play --browser` in a process of its own, which is killed at the end."""
    process = start_zeromass("play", "--browser", "--no-open", "--strength", "16", *words)
    yield next(line for line in process.stdout if "The board is at " in line).split()[-1]
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=[f"--{flag}" for flag in FLAGS.split()])


@pytest.fixture
def context(chromium: Any) -> Iterator[Any]:
    """Fails the test if a page complains on its console; a server that is gone is no complaint."""
    faults: list[str] = []
    made = chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce", has_touch=True)
    made.set_default_timeout(60_000)
    made.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    made.on("weberror", lambda error: faults.append(str(error.error)))
    yield made
    made.close()
    gone = "WebSocket connection to", "Failed to load resource: net::ERR_CONNECTION_REFUSED"
    assert [fault for fault in faults if not fault.startswith(gone)] == []


class Table:
    """A page, and hands."""

    def __init__(self, context: Any, address: str, side: str = "both") -> None:
        self.page = context.new_page()
        self.page.goto(address)
        self.page.locator("#status", has_text="your move").wait_for()
        if side != "white":
            self.page.select_option("#side", side)
            self.page.locator("#status", has_text="to move").wait_for()

    def at(self, square: str) -> tuple[float, float]:
        box = self.page.locator(f"#board rect[data-square={square}]").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def click(self, uci: str, *, touch: bool = False) -> None:
        for square in (uci[:2], uci[2:4]):
            (self.page.touchscreen.tap if touch else self.page.mouse.click)(*self.at(square))

    def tap(self, uci: str) -> None:
        self.click(uci, touch=True)

    def drag(self, uci: str) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(uci[:2]))
        mouse.down()
        mouse.move(*self.at(uci[2:4]), steps=4)
        mouse.up()

    def keys(self, uci: str) -> None:
        """From the square that has the cursor with the arrow keys."""
        cursor = self.page.locator("#squares [tabindex='0']")
        cursor.focus()
        for square in (uci[:2], uci[2:4]):
            here = str(cursor.get_attribute("data-square"))
            for places, less, more in ((0, "ArrowLeft", "ArrowRight"), (1, "ArrowDown", "ArrowUp")):
                steps = ord(square[places]) - ord(here[places])
                for _ in range(abs(steps)):
                    self.page.keyboard.press(more if steps > 0 else less)
            self.page.keyboard.press("Enter")

    def type(self, line: str) -> None:
        self.page.fill("#line", line)
        self.page.keyboard.press("Enter")

    def wait_plies(self, count: int) -> None:
        playwright.expect(self.page.locator("#moves button.ply")).to_have_count(count, timeout=60_000)

    def said(self, words: str) -> None:
        self.page.locator("#log p", has_text=words).last.wait_for()

    def pgn(self) -> chess.pgn.Game:
        link = str(self.page.get_attribute("#download", "href"))
        game = chess.pgn.read_game(io.StringIO(unquote(link.partition(",")[2])))
        assert game is not None
        return game

    def moves(self) -> list[str]:
        return [move.uci() for move in self.pgn().mainline_moves()]


@pytest.mark.parametrize(("hand", "piece"), [("mouse", "n"), ("keyboard", "q"), ("touch", "n")])
def test_a_whole_game(context: Any, address: str, hand: str, piece: str) -> None:
    """With castling, en passant and promotion, to mate."""
    table = Table(context, address)
    ways = {"mouse": (table.click, table.drag), "keyboard": (table.keys,), "touch": (table.tap,)}[hand]
    game = GAME.replace("PIECE", piece).split()
    for ply, uci in enumerate(game, 1):
        table.page.wait_for_timeout(300)  # the board takes no pointer before its piece has arrived
        ways[ply % len(ways)](uci)
        if len(uci) == 5:
            button = table.page.locator(f"#promotion button[value={piece}]")
            button.wait_for()
            if hand == "keyboard":
                for _ in range("qrbn".index(piece)):
                    table.page.keyboard.press("Tab")
                table.page.keyboard.press("Enter")
            else:
                button.click()
        table.wait_plies(ply)
    assert table.page.inner_text("#moves .result") == "1-0 White wins by checkmate"
    assert table.moves() == game
    assert table.pgn().headers["Result"] == "1-0"


def test_mistakes_undo_position_and_pgn(context: Any, address: str) -> None:
    table = Table(context, address, "white")
    table.click("e2e5")
    table.said("'e2e5' is illegal here; legal moves like it: e3, e4.")
    table.type("Ke9")
    table.said("'Ke9' cannot be read as a move or a command; ")
    table.click("e2e4")
    table.wait_plies(2)
    table.page.click("[data-line=undo]")
    table.wait_plies(0)
    table.page.fill("#fen", "8/P6k/8/8/8/8/8/K7 w - - 0 1")
    table.page.click("#fen-form button")
    table.page.locator("#squares [data-square=a7][aria-label='a7, white pawn']").wait_for(state="attached")
    table.page.fill("#fen", "8/8")
    table.page.click("#fen-form button")
    table.said("FEN '8/8' cannot be read")
    table.page.click("summary")
    table.page.fill("#pgn", LOST)
    table.page.click("#load")
    table.wait_plies(8)
    assert table.moves() == ["e2e4", "e7e5", "d1h5", "b8c6", "h5h7", "h8h7", "g1f3", "g8f6"]
    taken = table.page.locator(".taken")
    assert taken.all_inner_texts() == ["♛ +8", "♟"]  # Black above
    table.page.click("#judge")
    blunder = table.page.locator("button.ply.blunder")
    blunder.first.wait_for()
    assert "Qxh7??" in blunder.all_inner_texts()
    table.page.get_by_role("button", name="Qxh7??").click()
    assert table.page.inner_text("#verdict").startswith("Qxh7 is a blunder: it loses")
    assert taken.all_inner_texts() == ["", "♟ +1"]


def test_thinking_is_seen_to_change_and_the_sums_are_right(context: Any, address: str) -> None:
    table = Table(context, address, "white")
    assert table.page.locator("#sum-illegal", has_text="0.0").inner_text() == "0.0"
    table.page.select_option("#strength", "3s")
    table.said("The agent plays with 3 s a move.")
    table.click("e2e4")
    effort = table.page.locator("#effort", has_text="searching")
    seen = set()
    with contextlib.suppress(playwright.TimeoutError):
        while "searching" in (text := effort.inner_text(timeout=4000)):
            seen.add(text)
    assert len(seen) >= 5
    table.wait_plies(2)
    for choice in ("before", "after", "unmasked"):
        if choice == "after":
            table.page.click("#think")
            table.page.locator("#effort", has_text="searching").wait_for()
            table.page.locator("#lines tr").nth(4).wait_for()
        table.page.check(f"input[value={choice}]")
        table.page.locator("#board .share").first.wait_for()
        legal, illegal = (table.page.locator(f"#sum-{name}").inner_text() for name in ("legal", "illegal"))
        assert float(legal) + float(illegal) == pytest.approx(1.0, abs=2e-6)
        assert (illegal == "0.0") == (choice != "unmasked")
    table.page.click("#think")
    playwright.expect(table.page.locator("#effort", has_text="searching")).to_have_count(0, timeout=20_000)


def test_two_tabs_reload_and_a_server_that_is_started_again(context: Any) -> None:
    with serving() as first:
        table = Table(context, first, "white")
        table.type("e4")
        table.wait_plies(2)
        other = Table(context, first, "white")
        other.type("d4")
        other.wait_plies(2)
        table.page.reload()
        table.wait_plies(2)
        assert (table.moves()[0], other.moves()[0]) == ("e2e4", "d2d4")
        before = table.moves()
    playwright.expect(table.page.locator("#banner")).to_contain_text("The server does not answer", timeout=20_000)
    with serving("--port", first.split(":")[2].split("/")[0]) as again:
        assert again != first
        table.page.goto(again)
        table.said("The server was started again; your game goes on.")
        table.wait_plies(2)
        assert table.moves() == before
        table.type("Nf3")
        table.wait_plies(4)


def test_before_the_game_has_come_nothing_can_be_pressed(context: Any, address: str) -> None:
    context.add_init_script("window.WebSocket = class extends EventTarget { readyState = 0; static OPEN = 1 }")
    page = context.new_page()
    page.goto(address)
    controls = page.locator("main :is(button, select, input, summary)").all()
    boxes = [box for control in controls if (box := control.bounding_box())]
    assert len(boxes) > 20
    for box in boxes:
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.keyboard.press("Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_axe_finds_nothing_serious(context: Any, address: str, scheme: str, tmp_path: Path) -> None:
    table = Table(context, address, "white")
    table.type("e4")
    table.wait_plies(2)
    table.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for width, height in SIZES:
        table.page.set_viewport_size({"width": width, "height": height})
        assert table.page.evaluate("document.documentElement.scrollWidth") <= width
        board = table.page.locator("#board").bounding_box()
        assert board["y"] + board["height"] <= height
    assert violations(table.page, tmp_path) == []


def violations(page: Any, folder: Path) -> list[str]:
    """What axe-core finds serious or critical. It comes from npm, once a test; without npm the test is skipped."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm to fetch axe-core with")
    packed = subprocess.run(["npm", "pack", "axe-core@4"], cwd=folder, capture_output=True, text=True, timeout=120)
    if packed.returncode:
        pytest.skip(f"npm cannot fetch axe-core: {packed.stderr[-200:]}")
    (archive,) = folder.glob("axe-core-*.tgz")
    shutil.unpack_archive(archive, folder)
    page.evaluate((folder / "package" / "axe.min.js").read_text() + "; 0")
    found = page.evaluate("axe.run().then(found => found.violations)")
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {json.dumps([node['target'] for node in each['nodes']])}" for each in serious]
