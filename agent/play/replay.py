"""`zeromass replay`: the agent chooses the moves of saved games again, and differences are reported."""

from dataclasses import dataclass
from pathlib import Path

import chess
import chess.pgn

from agent.engine.agent import Agent, load_agent
from agent.engine.limits import Limits, ThinkOptions
from agent.errors import InputError
from agent.notation import move_number
from agent.play.provenance import OPENING, Source, is_foreign, read_source, strength_of_note
from agent.play.saved import find_games
from agent.play.strength import Strength, blunder
from agent.program import program


@dataclass(frozen=True)
class Replayed:
    """The result for one game."""

    moves: int  # moves of the agent that were replayed
    no_note: int  # moves of the agent whose comment has neither nodes nor simulations
    differences: tuple[str, ...]  # moves that the agent does not choose again, as `12. Nf3: now Nd2`
    foreign: int  # moves on the agent's side that other weights or settings chose, by their comments


def replay_game(game: chess.pgn.Game, agent: Agent) -> Replayed:
    """Let `agent` choose each move of the agent again, in the positions that were played. Raises InputError: neither
    side is the agent, other weights played, or the search settings cannot be read."""
    sources = {color: source for color in chess.COLORS if (source := read_source(game, color)) is not None}
    if not sources:
        fault = "this game does not say which weights played (no header WhiteWeights or BlackWeights)"
        raise InputError(f"{fault}; replay games saved by {program()} play or {program()} evaluate --pgn")
    ours = agent.identity.split()[0]
    mine = {color: source for color, source in sources.items() if source.weights.split()[0] == ours}
    if not mine:
        theirs = ", ".join(sorted({source.weights for source in sources.values()}))
        raise InputError(f"the game was played with {theirs}, not {ours}; name those weights by --weights or --run")
    moves = no_note = foreign = 0
    differences, board, opening = list[str](), game.board(), game.headers.get(OPENING, "0")
    first = int(opening) if opening.isdecimal() else 0
    for ply, node in enumerate(game.mainline(), 1):
        if ply > first and (source := mine.get(board.turn)) is not None:
            strength = strength_of_note(node.comment, source.temperature)
            if source.simulations is not None:
                strength = Strength(source.simulations, source.temperature)
            if strength is None:
                no_note += 1
            elif is_foreign(node.comment):
                foreign += 1
            else:
                moves += 1
                found = blunder(board, strength.blunder_rate, source.seed) or _think(board, agent, source, strength)
                if found != node.move:
                    differences.append(f"{move_number(board)} {board.san(node.move)}: now {board.san(found)}")
        board.push(node.move)
    return Replayed(moves, no_note, tuple(differences), foreign)


def _think(board: chess.Board, agent: Agent, source: Source, strength: Strength) -> chess.Move:
    options = ThinkOptions(temperature=strength.temperature, seed=source.seed, fresh=True)
    limits = Limits(strength.planned or strength.simulations or None, strength.nodes or strength.simulations)
    before = agent.settings
    agent.retune(source.settings)
    try:
        return agent.think(board, limits, options).best.move
    finally:
        agent.retune(before)


def replay_command(path: Path, weights: Path | None, run: str | None) -> int:
    """`zeromass replay`; returns the exit code: 1 if a move differs. Games that cannot be replayed are named. Raises
    InputError: no such file, no game in it, or none that these weights played."""
    games = list(find_games(path))
    agent = load_agent(weights, run)
    print(f"replaying with {agent.origin}")
    same, faults = True, list[str]()
    for number, _, game, fault in games:
        try:
            if fault:
                raise InputError(fault)
            done = replay_game(game, agent)
        except InputError as error:
            faults.append(fault or f"game {number} of '{path}': {error}")
            continue
        same &= not done.differences
        print(f"game {number}: {done.moves - len(done.differences)} of {done.moves} moves of the agent found again")
        if done.no_note:
            print(f"  {done.no_note} more have no number of nodes or simulations in their comment")
        if done.foreign:
            print(f"  {done.foreign} more were chosen by other weights or settings")
        print("".join(f"  differs at {difference}\n" for difference in done.differences), end="")
    if len(faults) == len(games):
        raise InputError(faults[0])
    for sentence in faults:
        print(f"skipped: {sentence}")
    return 0 if same else 1
