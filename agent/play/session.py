"""People at a game with the agent: the commands they can give, whatever the board is drawn on."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

import chess

from agent.engine.agent import Opponent
from agent.engine.limits import Control, Limits
from agent.engine.report import Report
from agent.engine.thinker import Watcher
from agent.errors import InputError
from agent.notation import MoveError, quote, read_fen, read_move
from agent.play.game import Game, load_game, save_game, side_name
from agent.play.level import USUAL, Level, read_level
from agent.play.seats import AgentSeat, Choice, EngineSeat, Seat
from agent.play.thought import expected, thought_lines

HELP: Final = """\
A move: e4, Nf3, exd5, O-O, e8=Q, or by squares: e2e4, g1f3, e7e8q.
help    this list             moves   your legal moves
undo    take back your move   hint    what the agent would play for you
resign  give up               draw    claim one, or offer it to the agent
fen     the position; fen FEN sets one up
pgn     the game so far       save    save FILE.pgn
load    load FILE.pgn and play on
flip    turn the board        new     another game
side    side white, black, both (two people) or none (agent against agent)
strength  strength 400, 2s or elo 1200
clock   clock 5+3 (minutes + seconds a move), or clock off
engine  engine COMMAND: a UCI engine takes the agent's place; engine off
run     run NAME: play the newest network of that run
think   what the agent thought of its last move
theme   how the board is drawn
quit    leave
Expected scores run from -1 (lost) over 0 (even) to +1 (won)."""

THEMES: Final = ("figurines", "ascii", "colour-blind")
_CLOCK: Final = re.compile(r"([0-9]{1,4}(?:\.[0-9]+)?)\s*(?:\+\s*([0-9]{1,4}(?:\.[0-9]+)?))?")
Load = Callable[[str], Opponent]
"""A run's name to its newest network. Raises InputError."""


@dataclass
class Session:
    """A game and those around it. Subclasses draw it.

    Args:
        opponent: the agent.
        start: the position that games start from, `new` ones too.
        person: the colour that the person plays.
        level: the agent's strength.
        seed: of noise, where the level has any.
        load: finds the newest network of a run.
    """

    opponent: Opponent
    start: chess.Board
    person: chess.Color
    level: Level = field(default=Level(simulations=USUAL), kw_only=True)
    seed: int = field(default=0, kw_only=True)
    load: Load | None = field(default=None, kw_only=True)
    theme: str = field(default=THEMES[0], kw_only=True)
    game: Game = field(init=False)
    seats: dict[chess.Color, Seat | None] = field(init=False)
    """None: a person."""
    flipped: bool = field(init=False)
    last: Report | None = field(init=False, default=None)
    """The agent's last thought."""
    advising: Control | None = field(init=False, default=None)
    """Of the thought about a hint."""

    def __post_init__(self) -> None:
        self.game = Game(self.start.copy(), self.seed)
        self.seats = {self.person: None, not self.person: AgentSeat(self.opponent, self.level)}
        self.flipped = self.person == chess.BLACK

    def say(self, text: str) -> None:
        """Tell the people."""
        raise NotImplementedError

    def show(self) -> None:
        """Draw the board."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """A thought that is under way is of no use any more."""

    @property
    def board(self) -> chess.Board:
        """The position, with its history."""
        return self.game.board

    @property
    def mover(self) -> Seat | None:
        """Whose turn it is; None: a person's, or nobody's."""
        return None if self.game.over else self.seats[self.board.turn]

    def choose(self, seat: Seat, control: Control, watch: Watcher | None = None) -> Choice:
        """Let `seat` choose a move here; the game does not change, so any thread may do it."""
        return seat.choose(self.board.copy(), self.game.seed, self.game.clock(), control, watch)

    def apply(self, choice: Choice) -> None:
        """Play what was chosen; but a draw that the agent can claim beats a game that stands worse."""
        self.last = choice.report or self.last
        claimable = self.game.claimable()
        if choice.report is not None and choice.report.best.score < 0 and claimable:
            self.finish("1/2-1/2", f"the agent claims {claimable}")
            return
        number = f"{self.board.fullmove_number}{'.' if self.board.turn == chess.WHITE else '...'}"
        who = "Agent" if isinstance(self.seats[self.board.turn], AgentSeat) else "Engine"
        score = "" if choice.report is None else expected(choice.report.best.score)
        self.say(f"{who}: {number} {self.board.san(choice.move)}{score}")
        self.game.play(choice.move, choice.note)
        if not self.game.over:
            self.show()
        self.announce()

    def announce(self) -> None:
        """Tell the result if there is one now."""
        if self.game.over:
            moves = (len(self.game.notes) + 1) // 2
            self.show()
            self.say(f"Result: {self.game.result} ({self.game.reason}, {moves} move{'' if moves == 1 else 's'}).")

    def finish(self, result: str, reason: str) -> None:
        """End the game and tell."""
        self.game.end(result, reason)
        self.announce()

    def obey(self, line: str) -> bool:
        """Obey a command or play a person's move; False: leave."""
        word, _, rest = line.strip().partition(" ")
        word = word.lower()
        if word in ("quit", "exit", "q"):
            return False
        command = self.commands.get("help" if word == "?" else word)
        if command is not None:
            try:
                command(self, rest.strip())
            except InputError as error:
                self.say(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        elif self.game.over:
            self.say(f"The game is over, so '{line[:40]}' cannot be played; type new, undo, pgn or quit.")
        elif self.mover is not None:
            self.say(f"It is not your turn, so {quote(line)} cannot be played; wait, or type undo.")
        else:
            self._play(line)
        return True

    def _play(self, line: str) -> None:
        try:
            move = read_move(self.board, line, commands=[*self.commands, "quit"])
        except MoveError as error:
            self.say(f"{error}{'' if str(error).endswith('?') else '.'}")
            return
        self.play_move(move)

    def play_move(self, move: chess.Move) -> None:
        """Play a person's legal move."""
        self.game.play(move)
        self.announce()

    def _help(self, _rest: str) -> None:
        self.say(HELP)

    def _moves(self, _rest: str) -> None:
        self.say(" ".join(sorted(self.board.san(move) for move in self.board.legal_moves)) or "None.")

    def _undo(self, _rest: str) -> None:
        """Take back to a person's previous turn (a resignation or claim alone is taken back first)."""
        if self.game.over and self.seats[self.board.turn] is None and self.board.outcome() is None:
            plies = 0
        else:
            one_person = sum(seat is None for seat in self.seats.values()) == 1
            plies = 2 if one_person and self.seats[self.board.turn] is None else 1
        if plies > len(self.game.notes):
            self.say("There is no move of yours to take back.")
            return
        self.interrupt()
        self.game.take_back(plies)
        self.show()

    def _hint(self, _rest: str) -> None:
        if self.game.over:
            self.say("The game is over.")
            return
        self.interrupt()
        self.advising = Control()
        thought = self.opponent.think(
            self.board,
            Limits(simulations=self.level.strength(self.opponent.simulations_in(1.0)).simulations),
            control=self.advising,
        )
        self.say(f"Hint: {self.board.san(thought.best.move)}{expected(thought.best.score, 'you')}")

    def _resign(self, _rest: str) -> None:
        if self.game.over:
            self.say("The game is over.")
            return
        self.interrupt()
        loser = self.board.turn if self.seats[self.board.turn] is None else not self.board.turn
        self.finish("0-1" if loser == chess.WHITE else "1-0", f"{side_name(loser)} resigns")

    def _draw(self, _rest: str) -> None:
        """Claim a draw where there is one; else offer it: the agent takes it where it does not expect more."""
        reason = self.game.claimable()
        if self.game.over:
            self.say("The game is over.")
        elif reason:
            self.finish("1/2-1/2", f"draw by {reason}")
        elif not any(self.seats.values()):
            self.finish("1/2-1/2", "draw by agreement")
        elif self.last is not None and self.last.best.score <= 0 and len(self.game.notes) >= 20:
            self.interrupt()
            self.finish("1/2-1/2", "draw by agreement")
        else:
            why = "early" if len(self.game.notes) < 20 else "it expects more"
            self.say(
                "No draw can be claimed here: the position has not stood three times, and the last 50 moves "
                f"had a capture or a pawn move. Your offer is declined ({why})."
            )

    def _fen(self, rest: str) -> None:
        if not rest:
            self.say(self.board.fen())
            return
        start = read_fen(rest)
        self.start = start
        self._new("")

    def _pgn(self, _rest: str) -> None:
        self.say(self.pgn())

    def _save(self, rest: str) -> None:
        if not rest:
            raise InputError("save needs a file; type save game.pgn")
        save_game(Path(rest), self.game.to_pgn(self.names, self.seats))
        self.say(f"Saved to {rest}; zeromass replay {rest} plays it again.")

    def _load(self, rest: str) -> None:
        if not rest:
            raise InputError("load needs a file; type load game.pgn")
        sources = {color: None if seat is None else seat.source(0) for color, seat in self.seats.items()}
        game = load_game(Path(rest), sources)
        self.interrupt()
        self.game, self.start = game, game.start.copy()
        self.say(f"Loaded {rest}: {len(game.notes)} plies.")
        self.show()

    def _flip(self, _rest: str) -> None:
        self.flipped = not self.flipped
        self.show()

    def _new(self, _rest: str) -> None:
        self.interrupt()
        self.game = Game(
            self.start.copy(), random.Random(self.game.seed + 1).getrandbits(31), self.game.minutes, self.game.increment
        )
        self.last = None
        self.game.settle()  # a position that was set up may have no moves
        if self.game.over:
            self.announce()
        else:
            self.show()

    def _side(self, rest: str) -> None:
        people = {"white": {chess.WHITE}, "black": {chess.BLACK}, "both": set(chess.COLORS), "none": set()}.get(rest)
        if people is None:
            raise InputError(f"side {quote(rest)} is not known; type side white, black, both or none")
        self.interrupt()
        taken = next((seat for seat in self.seats.values() if isinstance(seat, EngineSeat)), None)
        agent = AgentSeat(self.opponent, self.level)
        for color in chess.COLORS:
            self.seats[color] = None if color in people else agent
        if taken is not None and len(people) < 2:
            self.seats[chess.BLACK if chess.BLACK not in people else chess.WHITE] = taken
        elif taken is not None:
            taken.close()
        if len(people) == 1:
            self.flipped = chess.BLACK in people
        self.show()

    def _strength(self, rest: str) -> None:
        if rest:
            self.level = read_level(rest)
            for seat in self.seats.values():
                if isinstance(seat, AgentSeat):
                    seat.level = self.level
        self.say(f"The agent plays with {self.level}.")

    def _clock(self, rest: str) -> None:
        match = _CLOCK.fullmatch(rest)
        if match is None and rest != "off":
            raise InputError(
                f"clock {quote(rest)} cannot be read; type clock 5+3 (minutes + seconds a move) or clock off"
            )
        if match is not None and not float(match[1]):
            raise InputError(f"clock {quote(rest)} has no time; give at least 0.1 minutes")
        self.game.minutes, self.game.increment = (
            (None, 0.0) if match is None else (float(match[1]), float(match[2] or 0))
        )
        self.say("Clocks are off." if match is None else f"Clocks: {rest}; a new game begins.")
        self._new("")

    def _engine(self, rest: str) -> None:
        if not rest:
            raise InputError("engine needs a command; type engine stockfish, or engine off")
        engine = EngineSeat(rest, self.level.seconds or 1.0) if rest != "off" else None
        self.interrupt()
        agent = AgentSeat(self.opponent, self.level)
        for color, seat in list(self.seats.items()):
            if isinstance(seat, EngineSeat):
                seat.close()
                self.seats[color] = agent
        if engine is not None:
            # Against a person it takes the agent's place; where the agent plays itself, Black.
            color = chess.BLACK if self.seats[chess.BLACK] is not None else chess.WHITE
            self.seats[color] = engine
            self.say(f"{engine.name} plays {side_name(color)}.")
        else:
            self.say("The agent plays again.")

    def _run(self, rest: str) -> None:
        if self.load is None or not rest:
            raise InputError(f"run {quote(rest)} cannot be loaded; type run NAME")
        opponent = self.load(rest)
        self.interrupt()
        self.opponent = opponent
        for color, seat in list(self.seats.items()):
            if isinstance(seat, AgentSeat):
                self.seats[color] = AgentSeat(opponent, self.level)
                self.game.disown(color)
        self.say(f"Now playing with {opponent.origin}.")

    def _think(self, _rest: str) -> None:
        self.say("Nothing yet." if self.last is None else thought_lines(self.last))

    def _theme(self, rest: str) -> None:
        if rest and rest not in THEMES:
            raise InputError(f"theme {quote(rest)} is not known; type theme {', '.join(THEMES)}")
        self.theme = rest or THEMES[(THEMES.index(self.theme) + 1) % len(THEMES)]
        self.say(f"Theme: {self.theme}.")
        self.show()

    @property
    def names(self) -> dict[chess.Color, str]:
        """Who plays, for PGN."""
        people = sum(seat is None for seat in self.seats.values())
        return {
            color: seat.name if seat is not None else ("You" if people == 1 else side_name(color))
            for color, seat in self.seats.items()
        }

    def pgn(self) -> str:
        """The game so far as PGN."""
        return str(self.game.to_pgn(self.names, self.seats))

    def close(self) -> None:
        """Send engines home."""
        self.interrupt()
        if self.advising is not None:
            self.advising.stop()
        for seat in self.seats.values():
            if seat is not None:
                seat.close()

    commands: ClassVar[Mapping[str, Callable[["Session", str], None]]] = {
        "help": _help,
        "moves": _moves,
        "undo": _undo,
        "hint": _hint,
        "resign": _resign,
        "draw": _draw,
        "fen": _fen,
        "pgn": _pgn,
        "save": _save,
        "load": _load,
        "flip": _flip,
        "new": _new,
        "side": _side,
        "strength": _strength,
        "clock": _clock,
        "engine": _engine,
        "run": _run,
        "think": _think,
        "theme": _theme,
    }
