"""Where the moves of a saved game come from: PGN headers and comments from which it can be replayed."""

import contextlib
import re
from dataclasses import dataclass, field, fields, replace
from typing import Final

import chess
import chess.pgn

from agent.errors import InputError
from agent.notation import quote, side_name
from agent.play.strength import Strength
from agent.search.settings import SearchSettings, playing

OPENING: Final = "OpeningPlies"  # header: how many plies from the start were opening moves, which no player chose
_FOREIGN: Final = ", by another agent"
_NUMBER: Final = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)"
_NOTE: Final = re.compile(
    r"\b([0-9]{1,12})(?: of ([0-9]{1,9}))? (simulations|nodes)\b"
    rf"(?:, noise {_NUMBER})?(?:, blunder rate {_NUMBER})?({_FOREIGN})?"
)
_KINDS: Final[dict[str, type]] = {
    setting.name: type(getattr(playing(), setting.name))
    for setting in fields(SearchSettings)
    if setting.name not in ("simulations", "gumbel_scale")  # these stand with each move, or have headers of their own
}


@dataclass(frozen=True)
class Source:
    """What made one side's moves."""

    weights: str  # as `agent.networks.bundled.identity` names them
    simulations: int | None = None  # of every move; None: each move's comment has them
    temperature: float = 0.0  # of moves whose comment has none
    seed: int = 0
    settings: SearchSettings = field(default_factory=playing)  # all other settings of the search


def write_source(game: chess.pgn.Game, color: chess.Color, source: Source) -> None:
    """Add the headers of one side."""
    headers = {"Weights": source.weights}
    if source.simulations is not None:
        headers["Simulations"] = str(source.simulations)
    headers |= {"Temperature": f"{source.temperature:g}", "Seed": str(source.seed)}
    headers["Settings"] = write_settings(source.settings)
    game.headers.update({f"{side_name(color)}{name}": text for name, text in headers.items()})


def write_settings(settings: SearchSettings) -> str:
    """`max_considered_actions=0 c_visit=10 ...`: what a move depends on besides simulations and noise."""
    values = [(name, getattr(settings, name)) for name in _KINDS]
    return " ".join(f"{name}={int(it) if isinstance(it, bool) else format(it, '.9g')}" for name, it in values)


def read_settings(text: str) -> SearchSettings:
    """What `write_settings` wrote. Settings that this version does not have are ignored. Raises InputError: a setting
    is missing, or has a value that it cannot have."""
    found = dict(word.partition("=")[::2] for word in text.split())
    if missing := [name for name in _KINDS if name not in found]:
        fault = f"are those of another version of ZeroMass ({', '.join(missing)} missing)"
        raise InputError(f"search settings {quote(text)} {fault}; replay the game with the version that played it")
    try:
        values = {name: kind(int(found[name])) if kind is bool else kind(found[name]) for name, kind in _KINDS.items()}
        return replace(playing(), **values)
    except ValueError as error:
        raise InputError(f"search settings {quote(text)} cannot be read ({error}); correct the header") from error


def read_source(game: chess.pgn.Game, color: chess.Color) -> Source | None:
    """What `write_source` wrote; None where the side has no such headers, or they are incomplete. Raises InputError:
    the search settings cannot be read."""
    side, headers = side_name(color), game.headers
    weights = headers.get(f"{side}Weights", "").strip()
    if not weights:
        return None
    settings = read_settings(headers.get(f"{side}Settings", ""))
    with contextlib.suppress(ValueError):
        simulations = int(headers[f"{side}Simulations"]) if f"{side}Simulations" in headers else None
        temperature, seed = float(headers.get(f"{side}Temperature", "0")), int(headers.get(f"{side}Seed", "0"))
        if (simulations or 0) in range(100_001) and 0 <= temperature <= 100 and seed in range(2**63):
            return Source(weights, simulations, temperature, seed, settings)
    return None


def note(score: float | None, strength: Strength) -> str:
    """A move's comment: its expected score for the mover, and how strongly the agent played."""
    words = [] if score is None else [f"score {score:+.3f}"]
    if strength.nodes:
        words.append(f"{strength.nodes} nodes")
    else:
        words.append(f"{strength.simulations}{f' of {strength.planned}' if strength.planned else ''} simulations")
    words += [f"noise {strength.temperature:g}"] if strength.temperature else []
    words += [f"blunder rate {strength.blunder_rate:g}"] if strength.blunder_rate else []
    return ", ".join(words)


def strength_of_note(comment: str, temperature: float = 0.0) -> Strength | None:
    """The strength in a comment by `note`, with `temperature` if it has none; None: it is no such comment."""
    match = _NOTE.search(comment)
    if match is None:
        return None
    noise = float(match[4] or temperature), float(match[5] or 0)
    if match[3] == "nodes":
        return Strength(0, *noise, nodes=int(match[1]))
    return Strength(int(match[1]), *noise, int(match[2] or 0))


def mark_foreign(comment: str) -> str:
    """Mark a comment by `note`: other weights or settings than the headers name chose this move."""
    match = _NOTE.search(comment)
    return comment if match is None or match[6] else f"{comment[: match.end()]}{_FOREIGN}{comment[match.end() :]}"


def is_foreign(comment: str) -> bool:
    """Whether `mark_foreign` marked it."""
    match = _NOTE.search(comment)
    return match is not None and match[6] is not None
