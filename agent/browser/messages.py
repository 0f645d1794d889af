"""What a page may say to the server, and nothing else. Every size is bounded."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.errors import InputError

LONGEST: Final = 400_000  # characters of one message
_Ply = Annotated[int, Field(ge=0, le=10_000)]
_Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Line(_Message):
    """A move or a command, as it is typed in the terminal."""

    kind: Literal["line"]
    text: Annotated[str, Field(min_length=1, max_length=200)]


class Pasted(_Message):
    """A game to continue, as PGN."""

    kind: Literal["pgn"]
    text: Annotated[str, Field(min_length=1, max_length=300_000)]


class Look(_Message):
    """Show policy and thoughts of the position after `ply` plies."""

    kind: Literal["look"]
    ply: _Ply


class Think(_Message):
    """Begin or end an open search of that position."""

    kind: Literal["think"]
    on: bool
    ply: _Ply


class Judge(_Message):
    """Judge all moves of the game, as `zeromass analyse` does."""

    kind: Literal["judge"]
    nodes: Annotated[int, Field(ge=100, le=200_000)] = 20_000


class Opponent(_Message):
    """Play against a snapshot of the run, by its name, or its newest weights: `newest`."""

    kind: Literal["opponent"]
    name: _Name


class Sample(_Message):
    """Load a sample game of the run, by its name, or the newest: `newest`."""

    kind: Literal["sample"]
    name: _Name


class Refresh(_Message):
    """Read the run's folder again."""

    kind: Literal["run"]


Message = Line | Pasted | Look | Think | Judge | Opponent | Sample | Refresh
_READER: Final = TypeAdapter[Message](Annotated[Message, Field(discriminator="kind")])


def read_message(text: str) -> Message:
    """A page's message from JSON. Raises InputError: it is none."""
    try:
        return _READER.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise InputError(f"the page's message cannot be read ({where}: {first['msg']}); reload the page") from error
