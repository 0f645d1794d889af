"""Matches: wins, draws, losses, the score with its interval, and what it means in Elo."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent import rules, vocabulary
from agent.players.player import Player
from agent.rules import Games, Termination
from selfplay.book import PLIES, book
from selfplay.openings import mix, random_opening
from training.evaluation.match_runner import Recorder, play_at_tables, tables_of

BEHIND_THE_BOOK: Final = 2
"""Random plies behind a line that both colours had: two agents without chance would play the same games again, and a
match would seem longer than it is."""


@dataclass(frozen=True)
class MatchResult:
    """A finished match, from the first player's side."""

    opponent: str
    games: int
    wins: int
    draws: int
    losses: int
    illegal_moves: int
    """Moves of the player that were not legal; each loses its game on the spot."""

    @property
    def score(self) -> float:
        """Share of points, draws count half: 0..1."""
        return (self.wins + 0.5 * self.draws) / self.games if self.games else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the score."""
        return wilson_interval(self.score, self.games)

    def to_json(self) -> dict[str, Any]:
        """The keys that scripts rely on; Elo is None where the score is 0 or 1."""
        low, high = self.interval
        return {
            **asdict(self),
            "score": self.score,
            "elo": elo(self.score),
            "elo_low": elo(low),
            "elo_high": elo(high),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "MatchResult":
        """Read back what `to_json` wrote."""
        return cls(**{key: row[key] for key in ("opponent", "games", "wins", "draws", "losses", "illegal_moves")})

    def sentence(self) -> str:
        """For people."""
        low, high = self.interval
        return (
            f"{100 * self.score:.1f} % against {self.opponent} (95 % interval {100 * low:.1f} to {100 * high:.1f}; "
            f"+{self.wins} ={self.draws} -{self.losses} in {self.games} games)"
        )


def wilson_interval(score: float, games: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927) for a mean of `games` results in 0..1.

    Draws make the true spread smaller than the binomial one assumed here, so the interval errs on the wide side;
    unlike the normal approximation it is honest at scores of 0 and 1.
    """
    if games == 0:
        return 0.0, 1.0
    shrink = 1 + z * z / games
    centre = (score + z * z / (2 * games)) / shrink
    half = z / shrink * math.sqrt(score * (1 - score) / games + z * z / (4 * games * games))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def elo(score: float) -> float | None:
    """Elo difference that makes `score` the expectation; None at 0 and 1, where it is infinite."""
    return 400 * math.log10(score / (1 - score)) if 0 < score < 1 else None


class Points(NamedTuple):
    """Games one by one, from the first player's side."""

    points: NDArray[np.int8]
    """[games]: 1 won, 0 drawn, -1 lost; games 2 i and 2 i + 1 share an opening."""
    illegal_moves: int
    """Moves of the first player that were not legal; each loses its game on the spot."""


def play_match(
    player: Player,
    opponent: Player,
    *,
    games: int,
    seed: int,
    opening_plies: int | None = 4,
    ply_cap: int = 300,
    progress: Callable[[int], None] | None = None,
    record: Recorder | None = None,
) -> MatchResult:
    """Play all games side by side; see `play_games`."""
    played = play_games(
        player,
        opponent,
        games=games,
        seed=seed,
        opening_plies=opening_plies,
        ply_cap=ply_cap,
        progress=progress,
        record=record,
    )
    return result_of(opponent.name, played.points, played.illegal_moves)


def result_of(opponent: str, points: NDArray[np.int8], illegal_moves: int) -> MatchResult:
    """Sum up `points` [games] of 1, 0 and -1."""
    wins, losses = int((points > 0).sum()), int((points < 0).sum())
    return MatchResult(opponent, len(points), wins, len(points) - wins - losses, losses, illegal_moves)


def play_games(
    player: Player,
    opponent: Player,
    *,
    games: int,
    seed: int,
    first: int = 0,
    opening_plies: int | None = 4,
    ply_cap: int = 300,
    progress: Callable[[int], None] | None = None,
    record: Recorder | None = None,
) -> Points:
    """Play games in step, or by `Seats` at tables; each opening is played twice, with colours exchanged.

    Args:
        player: whose points are counted.
        opponent: the other.
        games: how many.
        seed: of the openings.
        first: number of the first game: a match may be played in parts, each with openings of its own.
        opening_plies: random plies before the players take over; None: from the book, see `book_plies`.
        ply_cap: a game this long is a draw.
        progress: called with the number of games that just ended.
        record: called with the rows and the legal moves just played in them, those of the openings too; row 0 is
            game `first`.
    """
    if tables := tables_of(player, opponent):

        def play_one(one: Player, other: Player, game: int, hear: Recorder) -> tuple[int, int]:
            played = play_games(
                one,
                other,
                games=1,
                seed=seed,
                first=first + game,
                opening_plies=opening_plies,
                ply_cap=ply_cap,
                record=hear,
            )
            return int(played.points[0]), played.illegal_moves

        return Points(*play_at_tables(tables, play_one, games=games, progress=progress, record=record))
    points = np.zeros(games, np.int8)
    boards = _start(games, first, seed, opening_plies, record)
    illegal_moves = 0
    player_is_black = (first + np.arange(games)) % 2 == 1
    active = np.arange(games)
    reported = 0
    while len(active):
        ended = boards.outcome(claim_draws=True)[active]
        mated = active[ended == Termination.CHECKMATE]
        points[mated] = np.where(rules.is_black(boards.positions[mated]) == player_is_black[mated], -1, 1)
        active = active[(ended == Termination.NONE) & (boards.ply[active] < ply_cap)]
        if progress is not None and games - len(active) > reported:
            progress(games - len(active) - reported)
            reported = games - len(active)
        to_move = rules.is_black(boards.positions[active]) == player_is_black[active]
        for mover, rows in ((player, active[to_move]), (opponent, active[~to_move])):
            if len(rows) == 0:
                continue
            moves = mover.choose(boards.take(rows)).moves
            legal = _is_legal(boards.positions[rows], moves)
            boards.play(moves[legal], rows[legal])
            if record is not None:
                record(rows[legal], moves[legal])
            points[rows[~legal]] = -1 if mover is player else 1
            illegal_moves += int((~legal).sum()) if mover is player else 0
            active = np.setdiff1d(active, rows[~legal])
    return Points(points, illegal_moves)


def _is_legal(positions: NDArray[np.uint64], moves: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """bool [B]: whether each move is in the vocabulary and legal in its packed position."""
    known = moves < vocabulary.SIZE
    return known & rules.is_legal(positions, np.where(known, moves, 0))


def _start(games: int, first: int, seed: int, opening_plies: int | None, record: Recorder | None) -> Games:
    boards = Games(games)
    for row in range(games):
        for move in _opening((first + row) // 2, seed, opening_plies):
            moves, rows = np.array([move], np.uint16), np.array([row])
            boards.play(moves, rows)
            if record is not None:
                record(rows, moves)
    return boards


def book_plies(game: int) -> int:
    """Plies of the opening of a match's game from the book: once all lines were played, they come back longer."""
    return PLIES if game // 2 < len(book()) else PLIES + BEHIND_THE_BOOK


def _opening(number: int, seed: int, plies: int | None) -> Sequence[int]:
    """Moves of a match's opening `number`: from the book in an order that `seed` fixes, or random."""
    chance = int(mix(np.array([number + 1_000_003 * seed], np.int64))[0])
    if plies is not None:
        return random_opening(chance, plies)
    lines = book()
    order = np.random.default_rng([seed, number // len(lines)]).permutation(len(lines))
    line = lines[order[number % len(lines)]]
    return random_opening(chance, book_plies(2 * number) - len(line), after=line)
