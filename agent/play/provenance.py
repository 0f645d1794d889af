"""Where the moves of a saved game come from: PGN headers and comments from which it can be replayed."""

import re
from dataclasses import dataclass, fields, replace
from typing import Final

import chess
import chess.pgn

from agent.engine.strength import Strength
from agent.errors import InputError
from agent.notation import quote
from agent.search.settings import SearchSettings, playing

THINKER: Final = "thinker"
"""Search as `zeromass play` and `zeromass uci` do it: stops at proven mates."""
GUMBEL: Final = "gumbel"
"""Search as matches do it: `GumbelSearch`, all simulations."""
OPENING: Final = "OpeningPlies"
"""Header: how many moves from the start nobody chose."""
BEFORE_TOLD: Final = tuple(replace(playing(), c_puct=0.0, policy_temperature=1.0, c_visit=c) for c in (10.0, 50.0))
"""The settings that ever played before files told them, the newest first."""
_BEFORE: Final = {"c_puct": "0", "policy_temperature": "1"}
"""Settings that came later than the first files that tell settings, as everybody played before."""
_STRANGER: Final = ", by another agent"
_NUMBER: Final = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)"
_NOTE: Final = re.compile(rf"\b([0-9]{{1,9}}) simulations\b(?:, noise {_NUMBER})?(?:, slips {_NUMBER})?({_STRANGER})?")
_ELSEWHERE: Final = ("simulations", "gumbel_scale")
"""Settings that stand with each move, or in headers of their own."""


@dataclass(frozen=True)
class Source:
    """What made one side's moves."""

    weights: str
    """`opponent.identity` of the weights."""
    search: str = THINKER
    simulations: int | None = None
    """Of every move; None: they stand with each move."""
    temperature: float = 0.0
    """Where a move does not tell its own."""
    seed: int = 0
    settings: SearchSettings | None = None
    """All others of the search; None: the file is from before they were told."""


def write_source(game: chess.pgn.Game, color: chess.Color, source: Source) -> None:
    """Add the headers of one side."""
    side = chess.COLOR_NAMES[color].capitalize()
    game.headers[f"{side}Weights"] = source.weights
    game.headers[f"{side}Search"] = source.search
    if source.simulations is not None:
        game.headers[f"{side}Simulations"] = str(source.simulations)
    game.headers[f"{side}Temperature"] = f"{source.temperature:g}"
    game.headers[f"{side}Seed"] = str(source.seed)
    if source.settings is not None:
        game.headers[f"{side}Settings"] = write_settings(source.settings)


def write_settings(settings: SearchSettings) -> str:
    """`considered=16 c_visit=10 ...`: whatever a move depends on beside simulations and noise."""
    words = []
    for setting in fields(settings):
        if setting.name not in _ELSEWHERE:
            value = getattr(settings, setting.name)
            words.append(f"{setting.name}={int(value) if isinstance(value, bool) else format(value, '.9g')}")
    return " ".join(words)


def read_settings(text: str) -> SearchSettings:
    """What `write_settings` wrote.

    Raises:
        InputError: a setting is missing, unknown, or has a value that it cannot have.
    """
    found = _BEFORE | dict(word.partition("=")[::2] for word in text.split())
    usual = vars(playing())
    kinds: dict[str, type] = {name: type(usual[name]) for name in usual if name not in _ELSEWHERE}
    if unlike := sorted(found.keys() ^ kinds.keys()):
        raise InputError(
            f"search settings {quote(text)} are those of another version of ZeroMass ({', '.join(unlike)}); "
            "replay the game with the version that played it"
        )
    try:
        values = {name: kind(int(found[name])) if kind is bool else kind(found[name]) for name, kind in kinds.items()}
        return replace(playing(), **values)
    except ValueError as error:
        raise InputError(f"search settings {quote(text)} cannot be read ({error}); correct the header") from error


def read_source(game: chess.pgn.Game, color: chess.Color) -> Source | None:
    """What `write_source` wrote; None where the side has no such headers, or they are not whole.

    Raises:
        InputError: the search settings are not ours.
    """
    side, headers = chess.COLOR_NAMES[color].capitalize(), game.headers
    weights = headers.get(f"{side}Weights")
    if not weights:
        return None
    told = headers.get(f"{side}Settings")
    settings = None if told is None else read_settings(told)
    try:
        simulations = headers.get(f"{side}Simulations")
        return Source(
            weights,
            headers.get(f"{side}Search", THINKER),
            None if simulations is None else int(simulations),
            float(headers.get(f"{side}Temperature", "0")),
            int(headers.get(f"{side}Seed", "0")),
            settings,
        )
    except ValueError:
        return None


def note(score: float | None, strength: Strength) -> str:
    """A move's comment: its expected score for the mover, and how strongly it was thought about."""
    words = [] if score is None else [f"score {score:+.3f}"]
    words.append(f"{strength.simulations} simulations")
    words += [f"noise {strength.temperature:g}"] if strength.temperature else []
    words += [f"slips {strength.slips:g}"] if strength.slips else []
    return ", ".join(words)


def strength_of_note(comment: str, otherwise: float = 0.0) -> Strength | None:
    """The strength that a comment by `note` tells, with the noise `otherwise` if it tells none; None: it does not."""
    match = _NOTE.search(comment)
    if match is None:
        return None
    return Strength(int(match[1]), float(match[2] or otherwise), float(match[3] or 0))


def disown(comment: str) -> str:
    """Mark a comment by `note`: other weights or settings than the headers name chose this move."""
    match = _NOTE.search(comment)
    return comment if match is None or match[4] else f"{comment[: match.end()]}{_STRANGER}{comment[match.end() :]}"


def is_disowned(comment: str) -> bool:
    """Whether `disown` marked it."""
    match = _NOTE.search(comment)
    return match is not None and match[4] is not None
