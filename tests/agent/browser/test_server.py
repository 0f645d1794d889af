"""The server without a browser: who gets in, what is answered, and that rude pages change nothing."""

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import chess
import numpy as np
import pytest
from aiohttp.test_utils import TestServer

from agent.browser import learning
from agent.browser import server as browser
from agent.browser.learning import Learning
from agent.browser.messages import Outbox, read_message
from agent.browser.page import Page
from agent.browser.policy import policy_of
from agent.browser.server import HEADERS, MOST_PAGES, STATIC, Server
from agent.engine.agent import Agent
from agent.engine.limits import Limits
from agent.engine.report import Report
from agent.errors import InputError
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.sparse.network import SparseNetwork
from agent.networks.weights import Weights
from agent.play.level import Level
from agent.rules import Games
from agent.vocabulary import SIZE, from_uci
from tests.agent.standin import PATIENCE, Gated, Scripted
from tests.tables import table

KIWIPETE = chess.Board("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1")


def weights() -> Weights:
    network = SparseNetwork(SparseArchitecture(width=64))
    return Weights(
        network.architecture, {name: each.detach().numpy() for name, each in network.state_dict().items()}, {}
    )


class Caller:
    """A page without a browser."""

    def __init__(self, line: aiohttp.ClientWebSocketResponse) -> None:
        self.line = line

    async def send(self, **message: Any) -> None:
        await self.line.send_str(json.dumps(message))

    async def wait(self, kind: str, so: Callable[[dict[str, Any]], object] = lambda message: True) -> dict[str, Any]:
        """The next message of this kind for which `so` holds."""
        while True:
            message = dict(await self.line.receive_json(timeout=PATIENCE))
            if message["kind"] == kind and so(message):
                return message

    async def plies(self, count: int) -> dict[str, Any]:
        return await self.wait("game", lambda game: len(game["plies"]) == count)

    async def said(self, words: str) -> None:
        await self.wait("said", lambda message: words in message["text"])


class Site:
    """A running server. The agent answers as `thinker` does."""

    client: aiohttp.ClientSession
    base: str

    def __init__(self, thinker: Scripted, run: Learning | None = None) -> None:
        agent, level = Agent(thinker, "a test", identity="sha256:0", weights=weights()), Level(simulations=8)
        self.server = Server(lambda: Page(run, agent, chess.Board(), chess.WHITE, level=level))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        async with TestServer(self.server.app()) as running, aiohttp.ClientSession() as self.client:
            self.base = f"http://127.0.0.1:{running.port}/{self.server.token}/"
            yield self

    @contextlib.asynccontextmanager
    async def page(self, name: str = "0" * 32) -> AsyncIterator[Caller]:
        origin = {"Origin": self.base.partition(f"/{self.server.token}")[0]}
        async with self.client.ws_connect(f"{self.base}socket?page={name}", headers=origin, max_msg_size=0) as line:
            yield Caller(line)


@contextlib.asynccontextmanager
async def one_page(thinker: Scripted) -> AsyncIterator[Caller]:
    async with Site(thinker).running() as site, site.page() as page:
        yield page


async def test_a_game_is_played_and_goes_on_after_a_reload() -> None:
    async with Site(Scripted("e7e5")).running() as site:
        async with site.page() as page:
            assert not (await page.wait("hello"))["known"]
            await page.send(kind="line", text="e4")
            state = await page.plies(2)
            assert [ply["san"] for ply in state["plies"]] == ["e4", "e5"]
            assert state["plies"][1]["value"] == -0.25  # the agent's 0.25, seen by White
            after = chess.Board(state["plies"][1]["fen"])
            assert set(state["legal"]) == {move.uci() for move in after.legal_moves}
            await page.send(kind="look", ply=2)
            assert (await page.wait("policy"))["fen"] == after.fen()
            await page.send(kind="line", text="e4e6")
            await page.said("'e4e6' is illegal here; legal moves: ")
        async with site.page() as page:
            assert (await page.wait("hello"))["known"]
            assert len((await page.wait("game"))["plies"]) == 2
        async with site.page("1" * 32) as other:
            assert (await other.wait("game"))["plies"] == []


async def test_a_reload_while_the_agent_thinks_lets_it_think_again() -> None:
    thinker = Gated()
    async with Site(thinker).running() as site:
        async with site.page() as page:
            await page.send(kind="line", text="d4")
            await page.wait("game", lambda game: game["thinking"])
        thinker.go_on.set()
        async with site.page() as page:
            await page.plies(2)


class Waiting(Scripted):
    """Moves at once, but searches until it is stopped, and nothing else meanwhile."""

    def think(self, board: chess.Board, limits: Limits, *options: Any, **rest: Any) -> Report:
        with self.lock:
            if limits.seconds is not None:
                rest["control"].wait()
            return super().think(board, limits, *options, **rest)

    lock = threading.Lock()


async def test_an_open_search_gives_way_to_another_pages_move() -> None:
    async with Site(Waiting()).running() as site, site.page() as page, site.page("1" * 32) as other:
        await page.send(kind="think", on=True, ply=0)
        await asyncio.sleep(0.2)
        await other.send(kind="line", text="e4")
        await other.plies(2)
        assert not (await page.wait("thought", lambda thought: not thought["live"]))["live"]


async def test_commands_that_reach_files_or_programs_and_broken_games_are_refused(tmp_path: Path) -> None:
    async with one_page(Scripted()) as page:
        for word in ("save", "load", "engine", "run", "quit"):
            await page.send(kind="line", text=f"{word} {tmp_path}/x")
            await page.said(f"'{word}' is a command of the terminal")
        await page.send(kind="pgn", text="1. e4 e5 2. Ke3")
        await page.said("of 'the pasted text' cannot be read (")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("board", [chess.Board(), KIWIPETE, chess.Board("4k3/8/8/8/8/8/P7/4K3 b - - 0 1")])
def test_sums_of_the_policy_masked_and_not(board: chess.Board) -> None:
    """Against a softmax of the network's own logits in NumPy."""
    ours = weights()
    found = policy_of(board, ours)
    assert set(found["moves"]) == {move.uci() for move in board.legal_moves}
    assert (found["legal"], found["illegal"]) == (pytest.approx(1.0, abs=1e-6), 0.0)
    logits = ours.network.dense(Games.from_boards([board]).positions)[0].detach().numpy()[0].astype(np.float64)
    odds = np.exp(logits - logits.max())
    assert len(odds) == SIZE
    unmasked = found["unmasked"]
    assert len(unmasked["moves"]) == SIZE - len(found["moves"])
    assert unmasked["legal"] + unmasked["illegal"] == pytest.approx(1.0, abs=1e-6)
    legal = [from_uci(move, black=not board.turn) for move in found["moves"]]
    assert unmasked["legal"] == pytest.approx(odds[legal].sum() / odds.sum(), abs=1e-5)
    assert not found["moves"].keys() & unmasked["moves"].keys()


@pytest.mark.parametrize(("path", "headers", "status"), table("who_gets_in"))
async def test_who_gets_in(path: str, headers: str, status: str) -> None:
    given = dict(header.split(": ") for header in headers.split(" ; ") if header)
    async with Site(Scripted()).running() as site, site.client.get(site.base + path, headers=given) as response:
        assert response.status == int(status)
        assert {name: response.headers[name] for name in HEADERS} == HEADERS


async def test_nothing_is_served_without_the_token() -> None:
    async with Site(Scripted()).running() as site:
        root = site.base.replace(site.server.token + "/", "")
        for path in ("", "static/main.js", "%ff/", f"{site.server.token[:-1]}/", "socket?page=" + "0" * 32):
            async with site.client.get(root + path) as response:
                assert response.status == 404, path
    assert Server(lambda: None).token != Server(lambda: None).token  # type: ignore[arg-type, return-value]


RUDE = (
    *("", "x", "[]", "null", "{}", "[" * 10_000, json.dumps({"kind": "pgn", "text": "a" * 300_001})),
    *('{"kind": "line", "text": 1}', '{"kind": "line", "text": "e4", "more": 1}', '{"kind": "quit"}'),
    *('{"kind": "look", "ply": -1}', '{"kind": "look", "ply": true}'),
)


@pytest.mark.parametrize("text", RUDE)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="the page's message cannot be read"):
        read_message(text)


async def test_a_thousand_rude_messages_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "RATE", 500)  # else they would take a minute
    monkeypatch.setattr(browser, "BURST", 5)
    async with one_page(Scripted()) as page:
        for number in range(1000):
            await page.line.send_str(RUDE[number % len(RUDE)])
        await page.said("Too many messages at once")
        state: dict[str, Any] = {"plies": []}
        while not state["plies"]:  # once the flood is worked off
            await page.send(kind="line", text="e4")
            with contextlib.suppress(TimeoutError):
                state = await asyncio.wait_for(page.wait("game"), 1)
        assert state["plies"][0]["san"] == "e4"


async def test_a_message_that_is_too_long_ends_the_connection_alone() -> None:
    async with Site(Scripted()).running() as site:
        async with site.page() as page:
            with contextlib.suppress(ConnectionError):
                await page.line.send_str("x" * 1_000_000)
            while not page.line.closed:
                await page.line.receive(timeout=PATIENCE)
        async with site.page() as page:
            assert (await page.wait("hello"))["known"]


async def test_pages_are_bounded_and_those_that_left_make_room() -> None:
    async with Site(Scripted()).running() as site, contextlib.AsyncExitStack() as open_pages:
        for number in range(MOST_PAGES):
            page = await open_pages.enter_async_context(site.page(f"{number:032x}"))
            await page.wait("hello")
        async with site.page() as twin:
            await twin.wait("taken")  # number 0 is there
        async with site.page("f" * 32) as surplus:
            await surplus.wait("full")
        await page.line.close()
        async with site.page("f" * 32) as surplus:
            await surplus.wait("hello")
        assert len(site.server.pages) == MOST_PAGES


async def test_a_slow_page_is_told_the_newest_only() -> None:
    outbox = Outbox()
    for number in range(1000):
        outbox.put("thought", number=number)
        outbox.put("said", text=str(number))
    taken = await outbox.take()
    assert taken[0] == {"kind": "thought", "number": 999}
    assert [message["text"] for message in taken[1:]] == [str(number) for number in range(950, 1000)]


async def test_what_is_left_from_before_a_reload_comes_after_the_game_it_is_drawn_on() -> None:
    outbox = Outbox()
    for kind in ("policy", "game", "thought", "hello", "game"):
        outbox.put(kind)
    assert [message["kind"] for message in await outbox.take()] == ["hello", "game", "policy", "thought"]


async def test_a_run_is_shown_and_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("weights", "games"):
        (tmp_path / name).mkdir()
    for step in (0, 200, 1000):
        (tmp_path / "weights" / f"step-{step:08d}.safetensors").touch()
    (tmp_path / "games" / "game-00000007.pgn").write_text("1. e4 { value before +0.10 } e5 { value before +0.20 } *")
    rows = [{"step": step, "policy/invalid_mass_max": 0.0} for step in (1, 50, 99)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"step": 1')
    (tmp_path / "matches.jsonl").write_text('{"step": 0, "score": 0.75}\n[]\n{"step": 99, "score": 0.99}\n')
    monkeypatch.setattr(learning, "load_agent", lambda *_, **named: Agent(Scripted(), f"newest {bool(named)}"))
    async with Site(Scripted(), Learning(str(tmp_path))).running() as site, site.page() as page:
        run = await page.wait("run")
        assert run["snapshots"] == ["step-00000000", "step-00000200", "step-00001000"]
        assert run["curves"]["mass"][0] == [1, 0.0]
        assert run["curves"]["score"][-1] == [99, 0.99]
        await page.send(kind="sample", text="newest")
        state = await page.plies(2)
        assert [ply["value"] for ply in state["plies"]] == [0.1, -0.2]
        for kind, words in (("opponent", "Snapshot"), ("sample", "Sample game")):
            await page.send(kind=kind, text="../x")
            await page.said(f"{words} '../x' does not exist")
        for name, newest in (("step-00000200", False), ("newest", True)):
            await page.send(kind="opponent", text=name)
            await page.said(f"Now playing with newest {newest}.")
        await page.send(kind="line", text="new")
        await page.send(kind="line", text="side black")
        await page.plies(1)
        (tmp_path / "checkpoints" / "step-00000009").mkdir(parents=True)
        (tmp_path / "checkpoints" / "step-00000009" / "weights.safetensors").touch()
        await page.send(kind="line", text="a6")
        await page.said("Now playing with newest True.")  # another file is the newest, so it was loaded anew


def test_the_board_component_is_as_it_was_published() -> None:
    """Every file has its hash, and there is no other; `agent/browser/update_board.sh` writes both."""
    vendor = STATIC / "vendor"
    lines = (vendor / "SHA256SUMS").read_text().splitlines()[1:]
    pinned = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = [path for path in vendor.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    found = {str(path.relative_to(vendor)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert found == pinned
    assert "MIT License" in (vendor / "cm-chessboard" / "LICENSE").read_text()


def test_the_page_needs_nothing_from_elsewhere_and_no_inline_script() -> None:
    own = [path for path in STATIC.iterdir() if path.is_file()]
    assert {path.name for path in own} >= {"index.html", "main.js", "style.css", "pieces.svg"}
    for path in own:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not any(word in text for word in ("http:", "https:", "onclick=", "javascript:", "innerHTML")), path
    assert (STATIC / "index.html").read_text().count("<script") == 1
