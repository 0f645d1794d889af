"""What the agent's weaker levels are worth, measured.

Writes the table that UCI_Elo and `strength elo N` read, and that docs/play.md shows.

    python -m benchmarks.levels [--minutes 12] [--weights FILE]

A ladder of settings, from four simulations with mostly random moves up to thousands without any, plays balanced
openings against its neighbours and against opponents near it: Stockfish held to a rating (these are the anchors: the
scale is Stockfish's own), a material search, greedy and random play. Every round adds games to each pairing whose
outcome is open; ratings come from all games at once. Rungs that turn out no stronger than the one below are left out.
One core. Games with the same weights are kept and added to; run it again whenever the shipped weights change.
"""

import argparse
import datetime
import itertools
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import chess
import numpy as np

from agent import rules, vocabulary
from agent.engine.agent import Agent, load_agent
from agent.engine.limits import Limits, ThinkOptions
from agent.engine.strength import LEVELS, Strength, blunder
from agent.files import write_atomic
from agent.players.external import close_engine, start_engine
from agent.players.player import Choice, Player
from agent.rules import Games
from training.evaluation.ladder.rating import Pairing, Rating, ratings
from training.evaluation.match import play_match
from training.evaluation.openings import Openings
from training.evaluation.opponents import EnginePlayer, make_opponent

RUNGS: Final = (
    Strength(4, 1.0, 0.8),
    Strength(4, 1.0, 0.5),
    Strength(4, 1.0, 0.3),
    Strength(4, 1.0, 0.15),
    Strength(8, 0.7, 0.07),
    Strength(16, 0.4, 0.02),
    Strength(26, 0.3, 0.01),
    Strength(40, 0.2),
    Strength(120),
    Strength(400),
    Strength(1500),
    Strength(6000),
)
ANCHORS: Final = {
    "stockfish:1350": 1350.0,
    "stockfish:1700": 1700.0,
    "stockfish:2000": 2000.0,
    "stockfish:2300": 2300.0,
}
FREE: Final = ("random", "greedy", "alphabeta:2")
"""Opponents that need no weights, rated along: what a level is worth in terms that do not change."""
NODES: Final = 30_000
"""Stockfish's nodes a move: enough for the depths at which it limits itself, on any machine, however busy."""
GUIDE: Final = Path(__file__).parent.parent / "docs" / "play.md"
MARKS: Final = ("<!-- written by benchmarks.levels -->", "<!-- up to here -->")
QUICK: Final = 8
"""Games of a pairing in a round where neither side takes long; else two."""
OPEN: Final = 450.0
"""Elo between two players beyond which their games would tell little."""


class LevelPlayer:
    """The agent at a strength, as `zeromass play` and `zeromass uci` play it."""

    def __init__(self, agent: Agent, strength: Strength, seed: int) -> None:
        self._agent, self._strength, self._seed = agent, strength, seed
        self.name = label(strength)

    def choose(self, games: Games) -> Choice:
        """Choose a move in every game."""
        moves = np.zeros(len(games.positions), np.uint16)
        for row, position in enumerate(games.positions):
            board = chess.Board(rules.to_fen(position))
            self._seed += 1  # another chance in every game and round
            seed = self._seed
            move = blunder(board, self._strength.blunder_rate, seed)
            if move is None:
                limits = Limits(simulations=self._strength.simulations)
                options = ThinkOptions(lines=5, keep=2, temperature=self._strength.temperature, seed=seed)
                move = self._agent.think(board, limits, options).best.move
            moves[row] = vocabulary.from_uci(move.uci(), black=board.turn == chess.BLACK)
        return Choice(moves, np.full(len(moves), np.nan, np.float32))


def label(strength: Strength) -> str:
    """A rung in words."""
    blunders = f"blunders {100 * strength.blunder_rate:g} %"
    return f"{strength.simulations} simulations, noise {strength.temperature:g}, {blunders}"


def pairings_of(names: Sequence[str], guess: dict[str, float]) -> list[tuple[str, str]]:
    """Who plays whom: neighbouring rungs, and each rung and the opponents near it. `guess` rates everybody."""
    neighbours = list(itertools.pairwise(names))
    others = [name for name in guess if name not in names]
    near = [(rung, other) for rung in names for other in others if abs(guess[rung] - guess[other]) < OPEN]
    for rung, other in ((names[0], "random"), (names[-1], max(ANCHORS, key=ANCHORS.__getitem__))):
        if (rung, other) not in near:
            near.append((rung, other))
    return neighbours + near


Results = dict[tuple[str, str], "Counter[str]"]
"""Wins, draws and losses of each pairing, from the first one's side."""


def measure(agent: Agent, minutes: float, results: Results) -> None:
    """Add rounds to `results` until the time is over, the first to its end."""
    names = [label(rung) for rung in RUNGS]
    players: dict[str, Player] = {}
    guess = dict(zip(names, np.linspace(300, 2300, len(names)).tolist(), strict=True))
    guess |= {**ANCHORS, "random": 200.0, "greedy": 500.0, "alphabeta:2": 900.0}
    dear = {*ANCHORS, *(label(rung) for rung in RUNGS if rung.simulations > 50)}
    seed = sum(tally.total() for tally in results.values())
    guess |= {rating.player: rating.elo for rating in fit(results)} if results else {}
    ends, guessed = time.monotonic() + 60 * minutes, bool(results)
    for number, strength in enumerate(RUNGS):
        players[names[number]] = LevelPlayer(agent, strength, 10**8 * number + 100 * seed)
    for name in FREE:
        players[name] = make_opponent(name, seed=1)
    for name, elo in ANCHORS.items():
        options = {"UCI_LimitStrength": True, "UCI_Elo": round(elo)}
        players[name] = EnginePlayer(name, ["stockfish"], options, nodes=NODES)
    try:
        while not guessed or time.monotonic() < ends:
            for one, other in pairings_of(names, guess):
                games = 2 if {one, other} & dear else QUICK
                result = play_match(players[one], players[other], Openings(seed := seed + 1), games=games, ply_cap=240)
                tally = results.setdefault((one, other), Counter())
                tally.update(wins=result.wins, draws=result.draws, losses=result.losses)
                if guessed and time.monotonic() > ends:
                    break
            guess |= {rating.player: rating.elo for rating in fit(results)}
            guessed = True
            print(f"{sum(tally.total() for tally in results.values())} games", flush=True)
    finally:
        for player in players.values():
            if hasattr(player, "close"):
                player.close()


def fit(results: Results) -> list[Rating]:
    """Ratings of all players that are connected with an anchor."""
    met = [
        Pairing(one, other, tally["wins"], tally["draws"], tally["losses"]) for (one, other), tally in results.items()
    ]
    return ratings(met, ANCHORS)


def kept(path: Path, weights: str) -> Results:
    """The games of an earlier run with these weights; none if others played."""
    table = json.loads(path.read_text()) if path.exists() else {}
    if table.get("weights") != weights:
        return {}
    return {(one, other): Counter(wins=w, draws=d, losses=lost) for one, other, w, d, lost in table["results"]}


def table_of(results: Results, weights: str, engine: str) -> dict[str, Any]:
    """What is written: rungs whose ratings rise, others beside them, and where all that comes from."""
    rated = {rating.player: rating for rating in fit(results)}
    rungs: list[dict[str, Any]] = []
    for strength in RUNGS:
        rating = rated[label(strength)]
        if not rungs or rating.elo > rungs[-1]["elo"] + 10:
            rungs.append({**strength._asdict(), **_figures(rating)})
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "weights": weights,
        "scale": f"{engine}, UCI_Elo at {NODES:,} nodes a move",
        "games": sum(tally.total() for tally in results.values()),
        "rungs": rungs,
        "others": {name: _figures(rated[name]) for name in FREE if name in rated},
        "results": [[*pair, tally["wins"], tally["draws"], tally["losses"]] for pair, tally in results.items()],
    }


def told(table: dict[str, Any]) -> str:
    """The table in Markdown, as docs/play.md has it."""
    rows = [
        (f"{row['simulations']:,}", f"{row['temperature']:g}", f"{100 * row['blunder_rate']:g} %", row)
        for row in table["rungs"]
    ]
    rows += [(name, "", "", row) for name, row in table["others"].items()]
    lines = ["| simulations, or opponent | noise | blunders | Elo | interval | games |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {' | '.join(words)} | {row['elo']} | {row['low']} to {row['high']} | {row['games']} |"
        for *words, row in sorted(rows, key=lambda row: float(row[-1]["elo"]))
    ]
    where = f"{table['games']} games of {table['date']} with weights {table['weights']}, against {table['scale']}."
    return "\n".join([*lines, "", where])


def write_guide(table: dict[str, Any], guide: Path = GUIDE) -> None:
    """Put the table into docs/play.md, between its marks."""
    before, _, rest = guide.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    write_atomic(guide, f"{before}{MARKS[0]}\n{told(table)}\n{MARKS[1]}{after}".encode())


def _figures(rating: Rating) -> dict[str, int]:
    return {"elo": round(rating.elo), "low": round(rating.low), "high": round(rating.high), "games": rating.games}


def _stockfish() -> str:
    engine = start_engine(["stockfish"])
    try:
        return str(engine.id.get("name", "Stockfish"))
    finally:
        close_engine(engine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--output", type=Path, default=LEVELS)
    options = parser.parse_args()
    agent = load_agent(options.weights)
    weights = agent.identity.split()[0]
    results = kept(options.output, weights)
    measure(agent, options.minutes, results)
    table = table_of(results, weights, _stockfish())
    write_atomic(options.output, f"{json.dumps(table, indent=1)}\n".encode())
    if options.output == LEVELS:
        write_guide(table)
    for rating in fit(results):
        print(f"{rating.elo:6.0f}  {rating.low:6.0f} to {rating.high:6.0f}  {rating.games:4} games  {rating.player}")


if __name__ == "__main__":
    main()
