"""Matches: wins, draws, losses, the score with its interval and in Elo, and the games as PGN."""

import math
import operator
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import chess
import chess.pgn
import numpy as np
from numpy.typing import NDArray

from agent import vocabulary
from agent.errors import printable
from agent.files import save
from agent.notation import side_name
from agent.play.provenance import OPENING, Source, write_source
from agent.players.player import Player
from training.evaluation.match_runner import NO_HOOKS, Hooks, MatchStop, concurrent_pairs, run_games
from training.evaluation.openings import Openings
from training.evaluation.sprt import Sprt, pairs_of

PART: Final = 8  # games between two looks at a sequential test, unless more are concurrent


@dataclass(frozen=True)
class MatchResult:
    """A finished match, from the first player's side."""

    opponent: str
    games: int
    wins: int
    draws: int
    losses: int
    illegal_moves: int  # illegal moves of the player; each loses its game at once
    pairs: tuple[int, ...] = ()  # games on one opening by their score 0, 1/4, 1/2, 3/4, 1; empty if read from a file

    @classmethod
    def of(cls, opponent: str, points: NDArray[np.int8], illegal_moves: int) -> Self:
        """Sum up `points` [games] of 1, 0 and -1, in the order of the games."""
        wins, losses = int((points > 0).sum()), int((points < 0).sum())
        pairs = tuple(pairs_of(points).tolist())
        return cls(opponent, len(points), wins, len(points) - wins - losses, losses, illegal_moves, pairs)

    @property
    def score(self) -> float:
        """Share of points, draws count half: 0..1."""
        return (self.wins + 0.5 * self.draws) / self.games if self.games else 0.0

    def to_json(self) -> dict[str, Any]:
        """The keys that scripts rely on; Elo is None where the score is 0 or 1."""
        low, high = wilson_interval(self.score, self.games)
        row = {key: value for key, value in asdict(self).items() if key != "pairs"}
        return {**row, "score": self.score, "elo": elo(self.score), "elo_low": elo(low), "elo_high": elo(high)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Read back what `to_json` wrote; a KeyError or TypeError where it is something else."""
        counts: Any = {key: operator.index(row[key]) for key in ("games", "wins", "draws", "losses", "illegal_moves")}
        if min(counts.values()) < 0 or counts["wins"] + counts["draws"] + counts["losses"] != counts["games"]:
            raise TypeError("no match has this result")
        return cls(printable(str(row["opponent"])), **counts)

    def sentence(self) -> str:
        """For people."""
        low, high = wilson_interval(self.score, self.games)
        return (
            f"{100 * self.score:.1f} % against {self.opponent} (95 % interval {100 * low:.1f} to {100 * high:.1f}; "
            f"+{self.wins} ={self.draws} -{self.losses} in {self.games} games)"
        )


def wilson_interval(score: float, games: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927), 95 % by default, for a mean of `games` results in 0..1. It assumes a
    binomial spread. Draws make the true spread smaller, so the interval is slightly too wide. Unlike the normal
    approximation it holds at scores of 0 and 1."""
    if games == 0:
        return 0.0, 1.0
    shrink = 1 + z * z / games
    centre = (score + z * z / (2 * games)) / shrink
    half = z / shrink * math.sqrt(score * (1 - score) / games + z * z / (4 * games * games))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def elo(score: float) -> float | None:
    """Elo difference that makes `score` the expectation; None at 0 and 1, where it is infinite."""
    return 400 * math.log10(score / (1 - score)) if 0 < score < 1 else None


def play_match(
    player: Player,
    opponent: Player,
    openings: Openings,
    *,
    games: int,
    first: int = 0,
    ply_cap: int = 300,
    sprt: Sprt | None = None,
    hooks: Hooks = NO_HOOKS,
) -> MatchResult:
    """Play a match and count the points of `player`, which has White in games 0, 2, 4 ...

    `first` is the number of the first game: a match may be played in parts. A game of `ply_cap` plies is a draw.
    The sequential test `sprt` ends the match once it is decided; it has at most `games`, and an odd one is left out.
    `hooks` get the progress and the moves; row 0 is game `first`. A MatchStop for Ctrl-C during concurrent games, or
    where an engine failed; it holds all games that had ended."""
    part = games
    if sprt is not None:
        games -= games % 2
        part = max(PART, 2 * len(concurrent_pairs(player, opponent)))
    points, illegal_moves = np.zeros(0, np.int8), 0
    while len(points) < games and (sprt is None or sprt.verdict(pairs_of(points)) == "undecided"):
        done = len(points)
        numbers = range(first + done, first + min(done + part, games))
        shifted = hooks.shifted(done)
        black = np.array(numbers) % 2 == 1
        boards = openings.boards(numbers, shifted)
        try:
            played = run_games(player, opponent, boards, black, ply_cap=ply_cap, hooks=shifted)
        except MatchStop as stop:
            stop.games = np.concatenate([np.arange(done), done + stop.games])
            both, illegal = np.concatenate([points, stop.played.points]), illegal_moves + stop.played.illegal_moves
            stop.played = stop.played._replace(points=both, illegal_moves=illegal)
            raise
        points = np.concatenate([points, played.points])
        illegal_moves += played.illegal_moves
    return MatchResult.of(opponent.name, points, illegal_moves)


class MatchRecorder:
    """Collects the moves of a match and writes its games; called as `Hooks.moved`. `player` has White in games 0, 2, 4
    ... `source` is that of its moves; None: they cannot be replayed."""

    def __init__(self, games: int, player: str, opponent: str, source: Source | None, openings: Openings) -> None:
        self._boards = [chess.Board() for _ in range(games)]
        self._openings = openings
        self._player, self._opponent, self._source = player, opponent, source

    def __call__(self, rows: NDArray[np.int64], moves: NDArray[np.uint16]) -> None:
        """Note moves [R] that were just played in games `rows` [R]."""
        for row, move in zip(rows.tolist(), moves.tolist(), strict=True):
            board = self._boards[row]
            board.push(chess.Move.from_uci(vocabulary.to_uci(move, black=board.turn == chess.BLACK)))

    def write(self, path: Path, only: Container[int] | None = None) -> None:
        """Write all games that began, or `only` these, to `path`; one that reached the ply cap is a draw, as in the
        match. An InputError where it cannot be written."""
        games = []
        for row, board in enumerate(self._boards):
            if not board.move_stack or (only is not None and row not in only):
                continue  # the match ended before it
            game, color = chess.pgn.Game.from_board(board), row % 2 == 0
            result, why = "1/2-1/2", "cap"
            if (outcome := board.outcome(claim_draw=True)) is not None:
                result, why = outcome.result(), outcome.termination.name.lower().replace("_", " ")
            game.headers.update({side_name(color): self._player, side_name(not color): self._opponent})
            game.headers.update(Event="zeromass evaluate", Round=str(row + 1), Result=result, Termination=why)
            game.headers[OPENING] = str(self._openings.length(row))
            if self._source is not None:
                write_source(game, color, self._source)
            games.append(str(game))
        save(path, ("\n\n".join(games) + "\n").encode(errors="replace"))
