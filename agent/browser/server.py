"""`zeromass play --browser`: a small server on loopback that serves one page and talks with it. The address holds a
random token; whoever does not know it gets nothing. `Host` and `Origin` must be names of this machine, so that no page
of another site reaches the server through the user's browser."""

import asyncio
import contextlib
import json
import random
import re
import secrets
import socket
import time
import webbrowser
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import chess
from aiohttp import WSMsgType, web

from agent.browser.learning import Learning
from agent.browser.messages import LONGEST
from agent.browser.page import Page, PageSession
from agent.engine.agent import Agent, load_agent
from agent.errors import InputError

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8470
STATIC: Final = Path(__file__).parent / "static"
HEADERS: Final = {
    # The board component places a dragged piece by a style attribute; style sheets and scripts are files.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'"
    "; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "ZeroMass",
}
MOST_PAGES: Final = 16
KEPT: Final = 120.0  # seconds that a game waits for its page to come back
BURST, RATE = 60, 20  # messages of a page at once, and a second in the long run
_NAMES: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PAGE: Final = re.compile(r"[0-9a-f]{32}")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Allowance:
    """Messages that a page may still send: `BURST` at once, `RATE` a second in the long run."""

    def __init__(self) -> None:
        self._left, self._at = float(BURST), time.monotonic()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = time.monotonic()
        self._left = min(self._left + RATE * (now - self._at), float(BURST))
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Server:
    """The pages and their games. `make_session` begins a game for a new page."""

    def __init__(self, make_session: Callable[[], PageSession], learning: Learning | None = None) -> None:
        self.token = secrets.token_urlsafe(24)
        self.pages: dict[str, Page] = {}
        self._make_session, self._learning = make_session, learning

    def app(self) -> web.Application:
        """The web application."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get(f"/{self.token}/", self._index)
        app.router.add_get(f"/{self.token}/socket", self._socket)
        app.router.add_static(f"/{self.token}/static", STATIC)
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self._shut_down)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not _NAMES.fullmatch(host) or (origin is not None and origin.lower() != f"http://{host}".lower()):
            raise web.HTTPForbidden(text="This address is for this machine only.")
        if not secrets.compare_digest(request.path.split("/")[1].encode(), self.token.encode()):
            raise web.HTTPNotFound(text="Open the address that zeromass play --browser printed last.")
        return await handler(request)

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("page", "")
        if "Origin" not in request.headers or not _PAGE.fullmatch(name):
            raise web.HTTPForbidden(text="Only the page itself may connect.")
        self._sweep()
        line = web.WebSocketResponse(max_msg_size=LONGEST, heartbeat=30)
        await line.prepare(request)
        page, known = self.pages.get(name), name in self.pages
        if page is not None and page.connected:
            await _send(line, {"kind": "taken"})
        elif page is None and len(self.pages) >= MOST_PAGES:
            await _send(line, {"kind": "full", "text": f"{MOST_PAGES} pages are open already; close one."})
        else:
            if page is None:
                page = self.pages[name] = Page(self._make_session(), self._learning)
            await _send(line, {"kind": "hello", "known": known})
            await self._serve(page, line)
        await line.close()
        return line

    async def _serve(self, page: Page, line: web.WebSocketResponse) -> None:
        page.attach()
        sender = asyncio.create_task(_tell(page, line))
        allowance, warned = Allowance(), 0.0
        try:
            async for message in line:
                if not allowance.take():
                    if time.monotonic() - warned > 1:
                        warned = time.monotonic()
                        page.tell("Too many messages at once; some were dropped.")
                    await asyncio.sleep(1 / RATE)  # what it sends meanwhile waits
                elif message.type is WSMsgType.TEXT:
                    try:
                        page.receive(message.data)
                    except InputError as error:
                        page.tell(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        finally:
            sender.cancel()
            page.detach()

    def _sweep(self) -> None:
        """End games whose pages have not come back; where there are too many, the one that left first."""
        gone = sorted((page.left_at, name) for name, page in self.pages.items() if not page.connected)
        surplus = len(self.pages) - MOST_PAGES + 1
        for place, (left_at, name) in enumerate(gone):
            if place < surplus or time.monotonic() - left_at > KEPT:
                self.pages.pop(name).close()

    async def sweep_forever(self) -> None:
        """Look from time to time."""
        while True:
            await asyncio.sleep(KEPT / 4)
            self._sweep()

    async def _shut_down(self, _app: web.Application) -> None:
        for page in self.pages.values():
            page.close()


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _send(line: web.WebSocketResponse, message: dict[str, Any]) -> None:
    await line.send_str(json.dumps(message, separators=(",", ":")))


async def _tell(page: Page, line: web.WebSocketResponse) -> None:
    """Send what the page is to be told, as fast as it takes it."""
    with contextlib.suppress(ConnectionError):
        while True:
            for message in await page.outbox.take():
                await _send(line, message)


def browser_command(
    start: chess.Board | None,
    side: str,
    weights: Path | None,
    run: str | None,
    seed: int | None,
    *,
    port: int | None,
    opened: bool,
    **options: Any,
) -> int:
    """`zeromass play --browser` until Ctrl-C; returns the exit code. `port` None: 8470, or any that is free. `opened`:
    open the page in the user's browser. For the rest see `agent.terminal.plain.play_command`. An InputError where the
    weights, the run or the port cannot be used."""
    learning = Learning(run) if run is not None else None
    listener = _listen(port)
    with listener:
        print("Loading the agent ...", flush=True)
        agent = load_agent(weights, run, progress=lambda line: print(line, flush=True))
        for warning in agent.warnings:
            print(f"{warning}.")
        chance = random.Random(seed)
        options = {name: value for name, value in options.items() if value is not None}

        def make_session() -> PageSession:
            color = chance.random() < 0.5 if side == "random" else side == "white"
            board = chess.Board() if start is None else start.copy()
            return PageSession(agent, board, color, seed=chance.getrandbits(31), **options)

        with contextlib.suppress(KeyboardInterrupt):  # the normal way to end it
            asyncio.run(_serve(Server(make_session, learning), listener, agent, opened))
    return 0


def _listen(port: int | None) -> socket.socket:
    """A socket on loopback. An InputError where `port` is taken or not allowed."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for wanted in (DEFAULT_PORT, 0) if port is None else (port,):
        try:
            listener.bind((HOST, wanted))
        except OSError:
            continue
        return listener
    listener.close()
    raise InputError(f"port {port} on {HOST} is taken or not allowed; give another with --port, or none")


async def _serve(server: Server, listener: socket.socket, agent: Agent, opened: bool) -> None:
    runner = web.AppRunner(server.app(), access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        address = f"http://{HOST}:{listener.getsockname()[1]}/{server.token}/"
        print(f"The board is at {address}\nIt plays with {agent.origin}. Press Ctrl-C to end it.", flush=True)
        if opened:
            await asyncio.to_thread(webbrowser.open, address)
        await server.sweep_forever()
    finally:
        await runner.cleanup()
