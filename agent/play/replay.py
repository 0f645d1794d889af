"""`zeromass replay`: plays a saved game again, move for move, and says where the agent now plays otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import chess
import chess.pgn

from agent.engine.agent import Opponent, load_opponent
from agent.engine.limits import Limits
from agent.engine.strength import Strength, slip
from agent.errors import InputError
from agent.play.provenance import (
    BEFORE_TOLD,
    GUMBEL,
    OPENING,
    Source,
    is_disowned,
    read_source,
    strength_of_note,
)


@dataclass(frozen=True)
class Difference:
    """A move that the agent does not find again."""

    ply: int
    """Counted from 1 in the game's main line."""
    played: str
    """SAN with its number, as `12. Nf3`."""
    now: str
    """SAN."""


@dataclass(frozen=True)
class Replayed:
    """What came of one game."""

    moves: int
    """Moves of the agent that were replayed."""
    untold: int
    """Moves of the agent that do not tell their simulations."""
    differences: tuple[Difference, ...]
    strange: int = 0
    """Moves on the agent's side that other weights or settings chose, by their comments."""


def read_games(path: Path) -> Iterator[chess.pgn.Game]:
    """The games of a PGN file.

    Raises:
        InputError: it cannot be opened, holds no game, or a game has an illegal move.
    """
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}); name a PGN file") from error
    with file:
        number = 0
        while (game := chess.pgn.read_game(file, Visitor=_Quiet)) is not None:
            number += 1
            if game.errors:
                raise InputError(f"game {number} of '{path}' cannot be read ({game.errors[0]}); correct it")
            yield game
    if number == 0:
        raise InputError(f"'{path}' holds no game; name a PGN file")


class _Quiet(chess.pgn.GameBuilder[chess.pgn.Game]):
    """Notes errors for us to tell, and logs none on people's screens."""

    def __init__(self) -> None:
        super().__init__(Game=chess.pgn.Game)

    def handle_error(self, error: Exception) -> None:
        """Note it."""
        self.game.errors.append(error)


def replay_game(game: chess.pgn.Game, opponent: Opponent) -> Replayed:
    """Let `opponent` choose each move of the agent again, in the positions that were played.

    Raises:
        InputError: neither side was played by the agent, other weights played, or the search settings are unknown.
    """
    sources = {color: source for color in chess.COLORS if (source := read_source(game, color)) is not None}
    if not sources:
        raise InputError(
            "this game does not say which weights played (no header WhiteWeights or BlackWeights); "
            "replay games saved by zeromass play or zeromass evaluate --pgn"
        )
    ours = opponent.identity.split()[0]
    mine = {color: source for color, source in sources.items() if source.weights.split()[0] == ours}
    if not mine:
        theirs = ", ".join(sorted({source.weights for source in sources.values()}))
        raise InputError(f"the game was played with {theirs}, not {ours}; name those weights by --weights or --run")
    if all(source.settings is not None for source in mine.values()):
        return _replay(game, opponent, mine)
    # Such files do not tell their settings; but only two ever played, and a wrong one is soon found out.
    tried = [
        _replay(game, opponent, {color: replace(source, settings=before) for color, source in mine.items()})
        for before in BEFORE_TOLD
    ]
    best = min(tried, key=lambda done: len(done.differences))
    if best.differences:
        raise InputError(
            "this game is from before files told their search settings, and neither c_visit 10 nor 50 finds all of its "
            f"moves again (the first that differs is {best.differences[0].played}), so it cannot be replayed"
        )
    return best


def _replay(game: chess.pgn.Game, opponent: Opponent, mine: dict[chess.Color, Source]) -> Replayed:
    moves = untold = strange = 0
    differences = []
    board = game.board()
    opening = game.headers.get(OPENING, "0")
    chosen_from = int(opening) if opening.isdecimal() else 0
    for ply, node in enumerate(game.mainline(), 1):
        source = mine.get(board.turn) if ply > chosen_from else None
        if source is not None:
            strength = strength_of_note(node.comment, source.temperature)
            if source.simulations is not None:
                strength = Strength(source.simulations, source.temperature)
            if strength is None:
                untold += 1
            elif is_disowned(node.comment):
                strange += 1
            else:
                moves += 1
                found = slip(board, strength.slips, source.seed) or _think(board, opponent, source, strength)
                if found != node.move:
                    dots = "." if board.turn == chess.WHITE else "..."
                    played = f"{board.fullmove_number}{dots} {board.san(node.move)}"
                    differences.append(Difference(ply, played, board.san(found)))
        board.push(node.move)
    return Replayed(moves, untold, tuple(differences), strange)


def _think(board: chess.Board, opponent: Opponent, source: Source, strength: Strength) -> chess.Move:
    usual = opponent.settings
    opponent.retune(source.settings or usual)
    try:
        return opponent.think(
            board,
            Limits(simulations=strength.simulations),
            temperature=strength.temperature,
            seed=source.seed,
            proofs=source.search != GUMBEL,
        ).best.move
    finally:
        opponent.retune(usual)


def replay_command(path: Path, weights: Path | None, run: str | None) -> int:
    """`zeromass replay`; returns the exit code: 1 if a move differs.

    Raises:
        InputError: no such file, no game in it, or none that these weights played.
    """
    games = list(read_games(path))
    opponent = load_opponent(weights, run)
    print(f"replaying with {opponent.origin}")
    same = True
    for number, game in enumerate(games, 1):
        try:
            done = replay_game(game, opponent)
        except InputError as error:
            raise InputError(f"game {number} of '{path}': {error}") from error
        same &= not done.differences
        print(f"game {number}: {done.moves - len(done.differences)} of {done.moves} moves of the agent found again")
        if done.untold:
            print(f"  {done.untold} more do not tell their simulations")
        if done.strange:
            print(f"  {done.strange} more were chosen by other weights or settings")
        for difference in done.differences:
            print(f"  differs at {difference.played}: now {difference.now}")
    return 0 if same else 1
