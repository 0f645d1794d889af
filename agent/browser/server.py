"""`zeromass play --browser`: a small server on loopback that serves one page and talks with it. The address holds a
random token, and without it nothing is served. `Host` and `Origin` must be names of this machine, so that no page
of another site reaches the server through the user's browser."""

import asyncio
import contextlib
import random
import re
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import chess
from aiohttp import WSMsgType, web

from agent.browser.learning import NEWEST, Learning
from agent.browser.page import Page
from agent.engine.agent import load_agent
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
LONGEST: Final = 400_000  # bytes of a message
_NAMES: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_PAGE: Final = re.compile(r"[0-9a-f]{32}")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The pages and their games. `make_page` begins the game of a new page."""

    def __init__(self, make_page: Callable[[], Page]) -> None:
        self.token = secrets.token_urlsafe(24)
        self.pages: dict[str, Page] = {}
        self._make_page = make_page

    def app(self) -> web.Application:
        """The web application."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get(f"/{self.token}/", _index)
        app.router.add_get(f"/{self.token}/socket", self._socket)
        app.router.add_static(f"/{self.token}/static", STATIC)
        app.on_response_prepare.append(_add_headers)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not _NAMES.fullmatch(host) or (origin is not None and origin.lower() != f"http://{host}".lower()):
            raise web.HTTPForbidden(text="This address is for this machine only.")
        given = request.path.lstrip("/").partition("/")[0].encode(errors="replace")
        if not secrets.compare_digest(given, self.token.encode()):
            raise web.HTTPNotFound(text="Open the address that zeromass play --browser printed last.")
        return await handler(request)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("page", "")
        if "Origin" not in request.headers or not _PAGE.fullmatch(name):
            raise web.HTTPForbidden(text="Only the page itself may connect.")
        self._sweep(name)
        line = web.WebSocketResponse(max_msg_size=LONGEST, heartbeat=30)
        await line.prepare(request)
        page, known = self.pages.get(name), name in self.pages
        if page is not None and page.connected:
            await line.send_json({"kind": "taken"})
        elif page is None and len(self.pages) >= MOST_PAGES:
            await line.send_json({"kind": "full", "text": f"{MOST_PAGES} pages are open already; close one."})
        else:
            page = page or self.pages.setdefault(name, self._make_page())
            page.outbox.put("hello", known=known)
            await self._serve(page, line)
        await line.close()
        return line

    async def _serve(self, page: Page, line: web.WebSocketResponse) -> None:
        page.attach()
        sender = asyncio.create_task(_tell(page, line))
        left, at, warned = float(BURST), time.monotonic(), 0.0
        try:
            async for message in line:
                now = time.monotonic()
                left, at = min(left + RATE * (now - at), float(BURST)) - 1, now
                if left < 0:
                    if now - warned > 1:
                        warned = now
                        page.say("Too many messages at once; some were dropped.")
                    await asyncio.sleep(1 / RATE)  # what it sends meanwhile waits
                elif message.type is WSMsgType.TEXT:
                    page.receive(message.data)
        finally:
            sender.cancel()
            page.detach()

    def _sweep(self, coming: str) -> None:
        """End games whose pages have not come back; where there are too many, also the one that left first."""
        gone = [(page.left_at, name) for name, page in self.pages.items() if not page.connected and name != coming]
        surplus = len(self.pages) + (coming not in self.pages) - MOST_PAGES
        for place, (left_at, name) in enumerate(sorted(gone)):
            if place < surplus or time.monotonic() - left_at > KEPT:
                self.pages.pop(name).close()


async def _index(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(STATIC / "index.html")


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _tell(page: Page, line: web.WebSocketResponse) -> None:
    """Send what the page is to be told, as fast as it takes it."""
    with contextlib.suppress(ConnectionError):
        while True:
            for message in await page.outbox.take():
                await line.send_json(message)


def browser_command(
    start: chess.Board | None, side: str, weights: Path | None, run: str | None, seed: int | None, **options: Any
) -> int:
    """`zeromass play --browser` until Ctrl-C; returns the exit code. Of `options`, `port` None is 8470 or any that is
    free, and `opened` opens the page in the user's browser. For the rest see `agent.terminal.plain.play_command`. An
    InputError where the weights, the run or the port cannot be used."""
    learning = Learning(run) if run is not None else None
    port, opened = options.pop("port"), options.pop("opened")
    options = {name: value for name, value in options.items() if value is not None}
    with _listen(port) as listener:
        print("Loading the agent ...", flush=True)
        agent = load_agent(weights, progress=print) if learning is None else learning.agent(NEWEST)
        chance = random.Random(seed)

        def make_page() -> Page:
            color = chance.random() < 0.5 if side == "random" else side == "white"
            board = chess.Board() if start is None else start.copy()
            return Page(learning, agent, board, color, seed=chance.getrandbits(31), **options)

        server = Server(make_page)
        address = f"http://{HOST}:{listener.getsockname()[1]}/{server.token}/"
        print(*(f"{warning}." for warning in agent.warnings), f"The board is at {address}", sep="\n")
        print(f"It plays with {agent.origin}. Press Ctrl-C to end it.", flush=True)
        if opened:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        web.run_app(server.app(), sock=listener, access_log=None, print=None, shutdown_timeout=1.0)
    return 0


def _listen(port: int | None) -> socket.socket:
    """A socket on loopback. An InputError where `port` is taken or not allowed."""
    for wanted in (DEFAULT_PORT, 0) if port is None else (port,):
        with contextlib.suppress(OSError):
            return socket.create_server((HOST, wanted))
    raise InputError(f"port {port} on {HOST} is taken or not allowed; give another with --port, or none")
