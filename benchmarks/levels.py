"""Measures the strength of the agent's weaker levels.

    python -m benchmarks.levels [--minutes 12] [--weights FILE]

Writes `agent/data/levels.json`, which UCI_Elo and `strength elo N` read, and the table in docs/play.md.

Levels from four simulations with mostly random moves to thousands without any play balanced openings against their
neighbours and against opponents near them: Stockfish limited to a rating (the anchors, so the scale is Stockfish's), a
material search, greedy and random play. Each round adds games to every pairing whose outcome is open; ratings come from
all games at once. Levels that turn out no stronger than the one below are left out. Games with the same weights are
kept and added to. Run it again when the bundled weights change; it uses one core."""

import contextlib
import datetime
import itertools
import json
import time
from pathlib import Path
from typing import Any, Final

import chess
import numpy as np
import typer

from agent import rules, vocabulary
from agent.engine.agent import Agent, load_agent
from agent.engine.limits import Limits, ThinkOptions
from agent.files import write_atomic
from agent.play.strength import LEVELS, Strength, blunder
from agent.players.external import EnginePlayer, start_engine
from agent.players.player import Choice, Player
from agent.rules import Games
from training.evaluation.ladder.standings import Pairing, Rating, ratings
from training.evaluation.match import play_match
from training.evaluation.openings import Openings
from training.evaluation.opponents import make_opponent

RUNGS: Final = (
    *(Strength(4, 1.0, blunder_rate) for blunder_rate in (0.8, 0.5, 0.3, 0.15)),
    *(Strength(*rung) for rung in ((8, 0.7, 0.07), (16, 0.4, 0.02), (26, 0.3, 0.01), (40, 0.2))),
    *(Strength(simulations) for simulations in (120, 400, 1500, 6000)),
)
ANCHORS: Final = {f"stockfish:{elo}": float(elo) for elo in (1350, 1700, 2000, 2300)}
OTHERS: Final = {"random": 200.0, "greedy": 500.0, "alphabeta:2": 900.0}
"""Opponents without weights, which are rated too, with a first guess: fixed points of comparison."""
NODES: Final = 30_000  # Stockfish's nodes a move: enough for the depths at which it limits itself, on any machine
GUIDE: Final = Path(__file__).parent.parent / "docs" / "play.md"
MARKS: Final = ("<!-- written by benchmarks.levels -->", "<!-- up to here -->")
QUICK: Final = 8  # games of a pairing in a round if both players are fast; otherwise two
OPEN: Final = 450.0  # Elo difference up to which games of two players are informative

Results = dict[tuple[str, str], Pairing]


class LevelPlayer:
    """The agent at a strength, as `zeromass play` and `zeromass uci` play it."""

    def __init__(self, agent: Agent, strength: Strength, seed: int) -> None:
        self._agent, self._strength, self._seed = agent, strength, seed
        self.name = label(strength)

    def choose(self, games: Games) -> Choice:
        moves = np.zeros(len(games.positions), np.uint16)
        for row, position in enumerate(games.positions):
            board = chess.Board(rules.to_fen(position))
            self._seed += 1
            move = blunder(board, self._strength.blunder_rate, self._seed)
            if move is None:
                limits = Limits(simulations=self._strength.simulations)
                options = ThinkOptions(temperature=self._strength.temperature, seed=self._seed)
                move = self._agent.think(board, limits, options).best.move
            moves[row] = vocabulary.from_uci(move.uci(), black=board.turn == chess.BLACK)
        return Choice(moves, np.full(len(moves), np.nan, np.float32))


def label(strength: Strength) -> str:
    blunders = f"blunders {100 * strength.blunder_rate:g} %"
    return f"{strength.simulations} simulations, noise {strength.temperature:g}, {blunders}"


def pairings_of(elo: dict[str, float]) -> list[tuple[str, str]]:
    """Pairs to play: neighbouring rungs, and each rung and the opponents near it. `elo` rates all players."""
    names = [label(rung) for rung in RUNGS]
    near = [(rung, other) for rung in names for other in (*ANCHORS, *OTHERS) if abs(elo[rung] - elo[other]) < OPEN]
    ends = [(names[0], "random"), (names[-1], max(ANCHORS))]  # keep both ends connected with the scale
    return list(dict.fromkeys([*itertools.pairwise(names), *near, *ends]))


def measure(agent: Agent, minutes: float, results: Results) -> None:
    """Add rounds to `results` until the time is over; the first one is completed where there were no results."""
    names = [label(rung) for rung in RUNGS]
    elo = dict(zip(names, np.linspace(300, 2300, len(names)).tolist(), strict=True)) | ANCHORS | OTHERS
    elo |= {name: rating.elo for name, rating in fit(results).items()} if results else {}
    slow = {*ANCHORS, *(label(rung) for rung in RUNGS if rung.simulations > 50)}
    seed = total_games(results)
    players: dict[str, Player] = {name: make_opponent(name, seed=1) for name in OTHERS}
    players |= {label(rung): LevelPlayer(agent, rung, 10**8 * i + 100 * seed) for i, rung in enumerate(RUNGS)}
    ends = time.monotonic() + 60 * minutes
    with contextlib.ExitStack() as stack:
        for name, rating in ANCHORS.items():
            options = {"UCI_LimitStrength": True, "UCI_Elo": round(rating)}
            players[name] = engine = EnginePlayer(name, "stockfish", options, nodes=NODES)
            stack.callback(engine.close)
        completed = bool(results)
        while not completed or time.monotonic() < ends:
            for one, other in pairings_of(elo):
                games, seed = 2 if {one, other} & slow else QUICK, seed + 1
                result = play_match(players[one], players[other], Openings(seed), games=games, ply_cap=240)
                results.setdefault((one, other), Pairing(one, other)).add(result)
                if completed and time.monotonic() > ends:
                    break
            elo |= {name: rating.elo for name, rating in fit(results).items()}
            completed = True
            print(f"{total_games(results)} games", flush=True)


def fit(results: Results) -> dict[str, Rating]:
    return {rating.player: rating for rating in ratings(list(results.values()), ANCHORS)}


def total_games(results: Results) -> int:
    return sum(pairing.games for pairing in results.values())


def kept(path: Path, weights: str) -> Results:
    """The games of an earlier run with these weights; none if it had others."""
    table = json.loads(path.read_text()) if path.exists() else {}
    if table.get("weights") != weights:
        return {}
    return {(row[0], row[1]): Pairing(*row) for row in table["results"]}


def table_of(results: Results, weights: str, engine: str) -> dict[str, Any]:
    """The contents of `levels.json`: rungs with rising ratings, the other opponents, and their source."""
    rated = fit(results)
    rungs: list[dict[str, Any]] = []
    for strength in RUNGS:
        rating = rated[label(strength)]
        if not rungs or rating.elo > rungs[-1]["elo"] + 10:
            rungs.append({**strength._asdict(), **_figures(rating)})
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "weights": weights,
        "scale": f"{engine}, UCI_Elo at {NODES:,} nodes a move",
        "games": total_games(results),
        "rungs": rungs,
        "others": {name: _figures(rated[name]) for name in OTHERS if name in rated},
        "results": [[*pair, one.wins, one.draws, one.losses] for pair, one in results.items()],
    }


def markdown(table: dict[str, Any]) -> str:
    rows = [(f"{name} |  | ", row) for name, row in table["others"].items()]
    for row in table["rungs"]:
        blunders = f"{100 * row['blunder_rate']:g} %"
        rows.append((f"{row['simulations']:,} | {row['temperature']:g} | {blunders}", row))
    lines = ["| simulations, or opponent | noise | blunders | Elo | interval | games |", "|---|---|---|---|---|---|"]
    for words, row in sorted(rows, key=lambda row: float(row[1]["elo"])):
        lines.append(f"| {words} | {row['elo']} | {row['low']} to {row['high']} | {row['games']} |")
    source = f"{table['games']} games of {table['date']} with weights {table['weights']}, against {table['scale']}."
    return "\n".join([*lines, "", source])


def _figures(rating: Rating) -> dict[str, int]:
    low, high = round(rating.elo_low), round(rating.elo_high)
    return {"elo": round(rating.elo), "low": low, "high": high, "games": rating.games}


def main(minutes: float = 12.0, weights: Path | None = None, output: Path = LEVELS) -> None:
    """Measure for so many minutes, and write what was found."""
    agent = load_agent(weights)
    name = agent.identity.split()[0]
    results = kept(output, name)
    measure(agent, minutes, results)
    with start_engine("stockfish") as engine:
        table = table_of(results, name, engine.id.get("name", "Stockfish"))
    write_atomic(output, f"{json.dumps(table, indent=1)}\n".encode())
    if output == LEVELS:
        before, _, rest = GUIDE.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        write_atomic(GUIDE, f"{before}{MARKS[0]}\n{markdown(table)}\n{MARKS[1]}{after}".encode())
    print(markdown(table))


if __name__ == "__main__":
    typer.run(main)
