"""What a page is still to be told."""

import asyncio
from typing import Any, Final

_SAID: Final = 50  # sentences that wait for a slow page


class Outbox:
    """Of everything but sentences only the newest counts, so it never grows."""

    def __init__(self) -> None:
        self._newest: dict[str, dict[str, Any]] = {}
        self._said: list[dict[str, Any]] = []
        self._filled = asyncio.Event()

    def put(self, kind: str, **content: Any) -> None:
        """Add a message."""
        if kind == "said":
            self._said = [*self._said, {"kind": kind, **content}][-_SAID:]
        else:
            self._newest[kind] = {"kind": kind, **content}
        self._filled.set()

    async def take(self) -> list[dict[str, Any]]:
        """Wait for messages, and take them."""
        await self._filled.wait()
        self._filled.clear()
        taken = [*self._newest.values(), *self._said]
        self._newest, self._said = {}, []
        return taken
