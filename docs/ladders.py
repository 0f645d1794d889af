"""Elo over minutes of several runs, for docs/learning.md: `python docs/ladders.py OUT.svg NAME=FOLDER...`. FOLDER holds
the `ladder.json` of a run. All games are rated on one scale."""

import sys
from dataclasses import replace
from pathlib import Path

from training.evaluation.ladder.standings import Results, Standings, standings_of
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
    return joined


def rated(folders: dict[str, Path]) -> Standings:
    """All players on one scale; a SystemExit where there are no games, or games with different limits."""
    joined = merged(folders)
    ways = {pair.how for pair in joined.pairs if pair.games}
    if len(ways) != 1:
        raise SystemExit(f"the ladders have games played in {len(ways)} ways {sorted(ways)}: choose ladders of one way")
    standings = standings_of(joined, ways.pop(), "")
    assert standings is not None  # there are games
    return standings


def main(out: Path, folders: dict[str, Path]) -> None:
    """Draw; for errors see `rated`."""
    standings = rated(folders)
    others = [row for row in standings.rows if row.minutes is None]
    ladders = {name: [row for row in standings.rows if row.player.startswith(f"{name}, ")] + others for name in folders}
    below = f"{standings.how}; {standings.scale}"
    out.write_text(picture_of_ladder(ladders, "Elo over minutes of training", below))


if __name__ == "__main__":
    main(Path(sys.argv[1]), {name: Path(folder) for name, _, folder in (one.partition("=") for one in sys.argv[2:])})
