"""What a page may say to the server, and nothing else. Every size is bounded."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import InputError


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
