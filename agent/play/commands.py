"""What people can type during a game besides moves."""

import random
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import chess

from agent.engine.agent import Agent
from agent.engine.limits import Control
from agent.errors import InputError
from agent.files import save, typed_path, what_is
from agent.notation import MoveError, quote, read_fen, read_move, sans, side_name
from agent.play.game import Game, load_game
from agent.play.level import read_level
from agent.play.saved import PastedText
from agent.play.session import Session, expected_score
from agent.play.sides import AgentSide, EngineSide
from agent.program import program

HELP: Final = Path(__file__).with_name("help.txt").read_text("utf-8").rstrip()
THEMES: Final = ("figurines", "ascii", "colour-blind")
_CLOCK: Final = re.compile(r"([0-9]{1,4}(?:\.[0-9]+)?)\s*(?:\+\s*([0-9]{1,4}(?:\.[0-9]+)?))?")


def obey(session: Session, line: str) -> bool:
    """Carry out a command or play a person's move; False: leave."""
    word, _, rest = line.strip().partition(" ")
    word = word.lower()
    if word in ("quit", "exit", "q"):
        return False
    command = COMMANDS.get("help" if word == "?" else word)
    if command is not None:
        try:
            command(session, rest.strip())
        except InputError as error:
            session.refuse(error)
    elif session.game.over:
        session.say(f"The game is over, so '{line[:40]}' cannot be played; type new, undo, pgn or quit.")
    elif session.mover is not None:
        session.say(f"It is not your turn, so {quote(line)} cannot be played; wait, or type undo.")
    else:
        try:
            move = read_move(session.board, line, commands=[*COMMANDS, "quit"])
        except MoveError as error:
            session.say(f"{error}{'' if str(error).endswith('?') else '.'}")
        else:
            session.play_move(move)
    return True


def _check_unfinished(session: Session) -> None:
    if session.game.over:
        raise InputError("the game is over")


def _help(session: Session, _rest: str) -> None:
    session.say(HELP)


def _moves(session: Session, _rest: str) -> None:
    session.say(" ".join(sorted(session.board.san(move) for move in session.board.legal_moves)) or "None.")


def _undo(session: Session, _rest: str) -> None:
    """Take back to a person's previous turn (a resignation or claim alone is taken back first)."""
    if session.game.over and session.sides[session.board.turn] is None and session.board.outcome() is None:
        plies = 0
    else:
        plies = 2 if session.people == 1 and session.sides[session.board.turn] is None else 1
    if plies > len(session.game.notes):
        session.say("There is no move of yours to take back.")
        return
    session.interrupt()
    session.game.take_back(plies)
    session.show()


def _hint(session: Session, _rest: str) -> None:
    _check_unfinished(session)
    session.interrupt()
    session.hint_control = Control()
    limits = session.level.limits(session.game.clock())
    report = session.agent.think(session.board, limits, control=session.hint_control)
    session.say(f"Hint: {session.board.san(report.best.move)}{expected_score(report.best.score, 'you')}")


def _resign(session: Session, _rest: str) -> None:
    _check_unfinished(session)
    session.interrupt()
    loser = session.board.turn if session.sides[session.board.turn] is None else not session.board.turn
    session.finish("0-1" if loser == chess.WHITE else "1-0", f"{side_name(loser)} resigns")


def _draw(session: Session, _rest: str) -> None:
    """Claim a draw where there is one; else offer it: the agent takes it where it does not expect more."""
    _check_unfinished(session)
    early, thought = len(session.game.notes) < 20, session.thought
    taken = not early and thought is not None and thought[0].best.score <= 0
    if reason := session.game.claimable():
        session.finish("1/2-1/2", f"draw by {reason}")
    elif taken or not any(session.sides.values()):
        session.interrupt()
        session.finish("1/2-1/2", "draw by agreement")
    else:
        why = "early" if early else "it expects more"
        fault = "the position has not stood three times, and the last 50 moves had a capture or a pawn move"
        session.say(f"No draw can be claimed here: {fault}. Your offer is declined ({why}).")


def _fen(session: Session, rest: str) -> None:
    if not rest:
        session.say(session.board.fen())
        return
    session.start = read_fen(rest)
    _new(session, "")


def _pgn(session: Session, _rest: str) -> None:
    session.say(str(session.game.to_pgn(session.names, session.sides)))


def _save(session: Session, rest: str) -> None:
    if not rest:
        raise InputError("save needs a file; type save game.pgn")
    path = typed_path(rest)
    if what_is(path) and path.is_file() and path.resolve() not in session.saved:
        raise InputError(f"'{rest}' exists already; name another file, or delete it first")
    save(path, f"{session.game.to_pgn(session.names, session.sides)}\n".encode())
    session.saved.add(path.resolve())
    session.say(f"Saved to {rest}; {program()} replay {shlex.quote(rest)} repeats it.")


def _load(session: Session, rest: str) -> None:
    if not rest:
        raise InputError("load needs a file; type load game.pgn")
    load_into(session, typed_path(rest), rest)


def load_into(session: Session, games: Path | PastedText, name: str) -> None:
    """Continue the first game of `games` that can be used. Raises InputError: there is none."""
    sources = {color: None if side is None else side.source(0) for color, side in session.sides.items()}
    game = load_game(games, sources, session.say)
    session.interrupt()
    session.game, session.start = game, game.start.copy()
    session.say(f"Loaded {name}: {len(game.notes)} plies.")
    session.show()


def _flip(session: Session, _rest: str) -> None:
    session.flipped = not session.flipped
    session.show()


def _new(session: Session, _rest: str) -> None:
    session.interrupt()
    before, seed = session.game, random.Random(session.game.seed + 1).getrandbits(31)
    session.game = Game(session.start.copy(), seed, before.minutes, before.increment)
    session.game.settle()  # a position that was set up may have no moves
    if session.game.over:
        session.announce()
    else:
        session.show()


def _side(session: Session, rest: str) -> None:
    people = {"white": {chess.WHITE}, "black": {chess.BLACK}, "both": set(chess.COLORS), "none": set()}.get(rest)
    if people is None:
        raise InputError(f"side {quote(rest)} is not known; type side white, black, both or none")
    session.interrupt()
    taken = next((side for side in session.sides.values() if isinstance(side, EngineSide)), None)
    agent = AgentSide(session.agent, session.level)
    for color in chess.COLORS:
        session.sides[color] = None if color in people else agent
    if taken is not None and len(people) < 2:
        session.sides[chess.BLACK if chess.BLACK not in people else chess.WHITE] = taken
    elif taken is not None:
        taken.close()
    if len(people) == 1:
        session.flipped = chess.BLACK in people
    session.show()


def _strength(session: Session, rest: str) -> None:
    if rest:
        session.level = read_level(rest)
        for side in session.sides.values():
            if isinstance(side, AgentSide):
                side.level = session.level
    session.say(f"The agent plays with {session.level}.")


def _clock(session: Session, rest: str) -> None:
    match = _CLOCK.fullmatch(rest)
    if match is None and rest != "off":
        raise InputError(f"clock {quote(rest)} cannot be read; type clock 5+3 (minutes + seconds a move) or clock off")
    if match is not None and not float(match[1]):
        raise InputError(f"clock {quote(rest)} has no time; give at least 0.1 minutes")
    session.game.minutes = None if match is None else float(match[1])
    session.game.increment = 0.0 if match is None else float(match[2] or 0)
    session.say("Clocks are off." if match is None else f"Clocks: {rest}; a new game begins.")
    _new(session, "")


def _engine(session: Session, rest: str) -> None:
    if not rest:
        raise InputError("engine needs a command; type engine stockfish, or engine off")
    engine = EngineSide(rest, session.level.seconds or 1.0) if rest != "off" else None
    session.interrupt()
    agent = AgentSide(session.agent, session.level)
    for color, side in list(session.sides.items()):
        if isinstance(side, EngineSide):
            side.close()
            session.sides[color] = agent
    if engine is not None:
        # Against a person it takes the agent's place; where the agent plays itself, Black.
        color = chess.BLACK if session.sides[chess.BLACK] is not None else chess.WHITE
        session.sides[color] = engine
        session.say(f"{engine.name} plays {side_name(color)}.")
    else:
        session.say("The agent plays again.")


def _run(session: Session, rest: str) -> None:
    if session.load is None or not rest:
        raise InputError(f"run {quote(rest)} cannot be loaded; type run NAME")
    agent = session.load(rest)
    session.interrupt()
    play_with(session, agent)


def play_with(session: Session, agent: Agent) -> None:
    """From now on `agent` takes the place of the one before."""
    session.agent = agent
    for color, side in list(session.sides.items()):
        if isinstance(side, AgentSide):
            session.sides[color] = AgentSide(agent, session.level)
            session.game.mark_foreign(color)
    session.say(f"Now playing with {agent.origin}.")


def _think(session: Session, _rest: str) -> None:
    """A move a line with prior, nodes, value, and the line in SAN."""
    if session.thought is None:
        session.say("Nothing yet.")
        return
    report, board = session.thought
    wdl = report.best.wdl
    chances = "" if wdl is None else "win {:.1f} %, draw {:.1f} %, loss {:.1f} %; ".format(*(part / 10 for part in wdl))
    told = [f"{chances}{report.nodes} nodes, {report.speed:,.0f} a second"]
    for line in report.lines:
        move, *answers = sans(board, line.moves[:4])
        figures = f"prior {100 * line.prior:5.1f} %  nodes {line.nodes:8}  value {line.value}"
        told.append(f"{move:7} {figures}  {' '.join(answers)}".rstrip())
    session.say("\n".join(told))


def _theme(session: Session, rest: str) -> None:
    if rest and rest not in THEMES:
        raise InputError(f"theme {quote(rest)} is not known; type theme {', '.join(THEMES)}")
    session.theme = rest or THEMES[(THEMES.index(session.theme) + 1) % len(THEMES)]
    session.say(f"Theme: {session.theme}.")
    session.show()


COMMANDS: Final[Mapping[str, Callable[[Session, str], None]]] = {
    command.__name__.removeprefix("_"): command
    for command in (
        *(_help, _moves, _undo, _hint, _resign, _draw, _fen, _pgn, _save, _load),
        *(_flip, _new, _side, _strength, _clock, _engine, _run, _think, _theme),
    )
}
"""By the word that is typed; each gets the session and the rest of the line."""
