"""Elo over minutes of several runs, for docs/learning.md: `python docs/ladders.py OUT.svg NAME=FOLDER...`. FOLDER holds
the `ladder.json` of a run. All games are rated on one scale. Draws OUT.svg and prints a Markdown table."""

import sys
from dataclasses import replace
from pathlib import Path

from training.evaluation.ladder.standings import Results, Standing, standings_of
from training.monitoring.pictures.ladder import picture_of_ladder


def merged(folders: dict[str, Path]) -> Results:
    """The games of all ladders. Snapshots are told apart by their run, because runs of one seed start alike."""
    joined = Results(Path())
    for name, folder in folders.items():
        found = Results.read(folder)
        keys = {key: f"{name}, {key}" for key in found.snapshots}
        for key, row in found.snapshots.items():
            joined.snapshots[keys[key]] = {**row, "name": f"{name}, {row['name']}"}
        joined.pairs += [
            replace(pair, first=keys.get(pair.first, pair.first), second=keys.get(pair.second, pair.second))
            for pair in found.pairs
        ]
        joined.conversions += [{**row, "player": keys[row["player"]]} for row in found.conversions]
    return joined


def main(out: Path, folders: dict[str, Path]) -> None:
    """Draw and print; a SystemExit where there are no games, or games with different limits."""
    joined = merged(folders)
    ways = {pair.how for pair in joined.pairs if pair.games}
    if len(ways) != 1:
        raise SystemExit(f"the ladders have games played in {len(ways)} ways {sorted(ways)}: choose ladders of one way")
    conversion_ways = {row["how"] for row in joined.conversions}
    standings = standings_of(joined, ways.pop(), conversion_ways.pop() if len(conversion_ways) == 1 else "")
    assert standings is not None  # there are games
    runs = {name: [row for row in standings.rows if row.player.startswith(f"{name}, ")] for name in folders}
    others = [row for row in standings.rows if row.minutes is None]
    title = f"{standings.how}; {standings.scale}"
    ladders = {name: [*rows, *others] for name, rows in runs.items()}
    out.write_text(picture_of_ladder(ladders, "Elo over minutes of training", title))
    print(f"{title}.\n\n| run | minutes | Elo (95 %) | score | KQ, KR, KBB mated |\n|---|---|---|---|---|")
    for name, rows in runs.items():
        for row in sorted(rows, key=lambda row: row.minutes or 0.0):
            ends = ", ".join(f"{100 * share:.0f} %" for share in row.conversion.get("king", {}).values())
            print(f"| {name} | {row.minutes or 0:.0f} | {cells(row)} | {ends} |")
    for row in others:
        print(f"| {row.player} | | {cells(row)} | |")


def cells(row: Standing) -> str:
    """Elo with its interval, and the share of points."""
    interval = "given" if row.given else f"{row.elo_low:.0f} to {row.elo_high:.0f}"
    return f"{row.elo:.0f} ({interval}) | {100 * row.score:.1f} % of {row.games}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), {name: Path(folder) for name, _, folder in (one.partition("=") for one in sys.argv[2:])})
