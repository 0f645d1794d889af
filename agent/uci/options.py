"""The options of the UCI engine: their declarations, and reading `setoption` lines. Light: no NumPy."""

import re
from typing import Final, NamedTuple

from agent.engine.limits import MOST_SIMULATIONS_A_MOVE
from agent.errors import InputError
from agent.notation import quote
from agent.play.strength import STRONGEST, WEAKEST, Strength, strength_of

_NUMBER = re.compile(r"[+-]?[0-9]{1,12}")


class Option(NamedTuple):
    """An option, of the type of its default: a whole number (spin), yes or no (check), or any text (string)."""

    default: int | bool | str
    least: int = 0
    most: int = 0

    def declare(self) -> str:
        """What follows the option's name."""
        if isinstance(self.default, str):
            return "type string default <empty>"
        if isinstance(self.default, bool):
            return f"type check default {str(self.default).lower()}"
        return f"type spin default {self.default} min {self.least} max {self.most}"

    def read(self, name: str, text: str) -> int | bool | str:
        """The value; InputError if it cannot have it. Empty text is `<empty>`."""
        if isinstance(self.default, str):
            return "" if text == "<empty>" else text
        if isinstance(self.default, bool):
            if text.lower() not in ("true", "false"):
                raise InputError(f"option {name} must be true or false, not {quote(text)}")
            return text.lower() == "true"
        if not _NUMBER.fullmatch(text) or not self.least <= int(text) <= self.most:
            raise InputError(f"option {name} must be a whole number in {self.least}..{self.most}, not {quote(text)}")
        return int(text)


DECLARED: Final = {
    "WeightsFile": Option(""),
    "Simulations": Option(0, 0, MOST_SIMULATIONS_A_MOVE),
    "MultiPV": Option(1, 1, 218),
    "Temperature": Option(0, 0, 1000),
    "Seed": Option(0, 0, 2**31 - 1),
    "UCI_ShowWDL": Option(False),
    "UCI_LimitStrength": Option(False),
    "UCI_Elo": Option(min(max(1500, WEAKEST), STRONGEST), WEAKEST, STRONGEST),
    "Move Overhead": Option(10, 0, 5000),
    "Ponder": Option(False),
    "Threads": Option(1, 1, 1024),
    "Hash": Option(64, 1, 65536),
}
"""See docs/play.md for their meaning."""


class Options:
    """The present values."""

    def __init__(self) -> None:
        self.values: dict[str, int | bool | str] = {name: option.default for name, option in DECLARED.items()}

    def set(self, arguments: str) -> str | None:
        """Handle what follows `setoption`; returns the option's name, None if there is no such option. Raises
        InputError: the option cannot have that value; it keeps the old one."""
        words = f" {arguments} "
        name, _, value = (words.partition(" name ")[2] or words).partition(" value ")
        known = {option.lower(): option for option in DECLARED}.get(" ".join(name.split()).lower())
        if known is not None:
            self.values[known] = DECLARED[known].read(known, value.strip())
        return known

    def number(self, name: str) -> int:
        """The value of a spin."""
        return int(self.values[name])

    @property
    def strength(self) -> Strength:
        """The most simulations of a move (0: no such limit), its temperature and blunder rate."""
        simulations, temperature = self.number("Simulations"), self.number("Temperature") / 100
        if self.values["UCI_LimitStrength"]:
            weak = strength_of(self.number("UCI_Elo"))
            simulations = min(simulations or weak.simulations, weak.simulations)
            return Strength(simulations, max(temperature, weak.temperature), weak.blunder_rate)
        return Strength(simulations, temperature)
