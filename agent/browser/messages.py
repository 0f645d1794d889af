"""What a page may say to the server, and nothing else; and what it is still to be told. Every size is bounded."""

import asyncio
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import InputError

_SAID: Final = 50  # sentences that wait for a slow page


class Message(BaseModel):
    """One message of a page."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["line", "pgn", "look", "think", "judge", "opponent", "sample", "run"]
    text: Annotated[str, Field(max_length=300_000)] = ""  # move or command, PGN, or name of a snapshot or sample game
    ply: Annotated[int, Field(ge=0, le=10_000)] = 0  # the position to look or think at: after as many plies
    on: bool = False  # whether to begin thinking, or to end it


def read_message(text: str) -> Message:
    """A page's message from JSON. Raises InputError: it is none."""
    try:
        return Message.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise InputError(f"the page's message cannot be read ({where}: {first['msg']}); reload the page") from error


class Outbox:
    """Of everything but sentences only the newest counts, so it never grows. The game precedes what is drawn on it."""

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
        newest, said, self._newest, self._said = self._newest, self._said, {}, []
        first = [newest.pop(kind) for kind in ("hello", "game") if kind in newest]
        return [*first, *newest.values(), *said]
