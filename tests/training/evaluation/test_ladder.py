"""The ladder: pairs, resuming, one scale, table and picture."""

import errno
import json
import re
import shutil
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

import zeromass
from agent import files
from agent.errors import InputError
from agent.networks.registry import make_network
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.weights import save_weights
from agent.players.player import Player
from agent.search import SearchSettings, playing
from tests.training.records import standing
from training.durability.snapshots import snapshot_path
from training.evaluation.conversion import Conversion, conversions
from training.evaluation.ladder import command
from training.evaluation.ladder.command import evenly, find_snapshots, schedule
from training.evaluation.ladder.standings import Pairing, Results, standings_of
from training.evaluation.match import MatchResult
from training.evaluation.match_runner import MatchError, MatchStop, Played
from training.evaluation.openings import Openings
from training.evaluation.opponents import PlayOptions
from training.monitoring.pictures.ladder import picture_of_ladder, read_standings, ticks

SPACE = "{http://www.w3.org/2000/svg}"


def snapshot(run: Path, step: int, minutes: float | None) -> Path:
    torch.manual_seed(step)
    path = snapshot_path(run, step)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {} if minutes is None else {"seconds": str(60 * minutes)}
    save_weights(path, make_network(SparseArchitecture(width=64, hidden=32)), {"run": "it", "step": str(step), **known})
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/it")
    for step, minutes in ((0, 0.0), (40, 10.0), (90, 20.0)):
        snapshot(folder, step, minutes)
    return folder


class Arena:
    """In place of `play_match`: notes what was asked for, and invents results; `strike` ends it like Ctrl-C or `by`."""

    def __init__(
        self, patched: pytest.MonkeyPatch, strike: int = -1, by: type[BaseException] | MatchStop = KeyboardInterrupt
    ) -> None:
        self.asked: list[tuple[str, str, int, int]] = []
        self.strike, self.by = strike, by
        patched.setattr(command, "play_match", self)

    def __call__(
        self, player: Player, opponent: Player, openings: Openings, *, games: int, first: int, **rest: object
    ) -> MatchResult:
        if len(self.asked) == self.strike:
            raise self.by
        self.asked.append((player.name, opponent.name, first, games))
        points = np.random.default_rng([openings.seed, first, len(self.asked)]).choice([-1, 0, 1], games)
        return MatchResult.of(opponent.name, points.astype(np.int8), 0)


def ladder(*words: str) -> int:
    return zeromass.main(["ladder", "it", "--simulations", "2", "--conversions", "0", *words])


def games_in(run: Path) -> dict[tuple[str, str], int]:
    pairs = json.loads((run / "ladder.json").read_text())["pairs"]
    return {(pair["first"], pair["second"]): pair["games"] for pair in pairs}


def test_snapshots_are_chosen_evenly_first_and_last_among_them() -> None:
    files = [(step, Path(str(step))) for step in range(11)]
    for count, steps in ((3, [0, 5, 10]), (1, [10]), (20, list(range(11)))):
        assert [step for step, _ in evenly(files, count)] == steps
    assert len({step for step, _ in evenly(files, 7)}) == 7
    # They play the anchors and the next two.
    pairs = schedule(["a", "b", "c", "d"], ["random", "greedy"])
    assert len(pairs) == len({frozenset(pair) for pair in pairs}) == 8 + 5
    expected = {(one, other) for one in "abcd" for other in ("random", "greedy")}
    assert set(pairs) == expected | {("b", "a"), ("c", "a"), ("c", "b"), ("d", "b"), ("d", "c")}


def test_a_ladder_from_the_command_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A few real games: table, file, picture; then the same as JSON, without further games."""
    words = ["--games", "2", "--against", "random,greedy", "--conversions", "2"]
    assert ladder(*words) == 0
    said = capsys.readouterr()
    assert "18 games of 9 pairs" in said.err
    assert "Elo with random at 0" in said.err
    for word in ("step 0", "step 40", "step 90", "random", "greedy", "20.0", "given"):
        assert word in said.out
    assert ET.parse(run / "ladder.svg").getroot().tag.endswith("svg")
    assert ladder(*words, "--json") == 0
    said = capsys.readouterr()
    assert "all games of every pair are played" in said.err
    told = json.loads(said.out)
    kept = json.loads((run / "ladder.json").read_text())
    assert told == kept
    assert {row["player"] for row in told["standings"]} == {"step 0", "step 40", "step 90", "random", "greedy"}
    assert sum(row["games"] for row in told["standings"]) == 2 * 18
    assert [row["minutes"] for row in told["standings"] if row["player"] == "step 40"] == [10.0]
    assert all(set(row["conversion"]["king"]) == {"kq", "kr", "kbb"} for row in told["standings"] if row["minutes"])
    elo = {row["player"]: row["elo"] for row in told["standings"]}
    assert elo["greedy"] > elo["random"] == 0


def test_an_interrupted_ladder(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--games", "50", "--against", "random"]
    first = Arena(monkeypatch, strike=8)
    assert ladder(*words) == 130
    assert "the same command continues" in capsys.readouterr().err
    assert sum(games_in(run).values()) == 6 * 20 + 2 * 20  # six pairs in turn, two of them a second time
    second = Arena(monkeypatch)
    assert (ladder(*words), set(games_in(run).values())) == (0, {50})
    assert sum(games for *_, games in first.asked + second.asked) == 6 * 50
    # Each pair continues the numbering of its openings.
    assert sorted(first for *_, first, _ in first.asked + second.asked) == sorted([0, 20, 40] * 6)
    third = Arena(monkeypatch)
    assert (ladder(*words), third.asked) == (0, [])
    assert ladder("--games", "54", "--against", "random") == 0
    assert {asked[2:] for asked in third.asked} == {(50, 4)}
    # Other limits, or a new snapshot, need new games.
    fourth = Arena(monkeypatch)
    words = ["ladder", "it", "--simulations", "3", "--conversions", "0", "--games", "2", "--against", ""]
    assert (zeromass.main(words), len(fourth.asked)) == (0, 3)
    assert "Elo with step 0 at 0, because neither Stockfish nor random played" in capsys.readouterr().err
    snapshot(run, 120, 30.0)
    assert ladder("--games", "54", "--against", "random") == 0
    assert len(fourth.asked) == 3 + 3 * 3  # random and two neighbours, in three parts each


@pytest.mark.parametrize(("fault", "games"), [("engine x is gone", 62), ("disk full", 20)])
def test_the_standings_are_printed_whatever_fails(
    run: Path, fault: str, games: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = MatchError(fault, np.array([0, 1, 3]), Played(np.array([1, 0, 1], np.int8), np.zeros(3, np.int32), 0))
    Arena(monkeypatch, 3, stop)
    if fault == "disk full":
        monkeypatch.setattr(files, "write_atomic", Mock(side_effect=OSError(errno.ENOSPC, fault)))
    assert ladder("--games", "50", "--against", "random", "--json") == 2
    printed = capsys.readouterr()
    assert sum(pair["games"] for pair in json.loads(printed.out)["pairs"]) == games
    assert fault in printed.err.splitlines()[-1]


def test_endings_are_played_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Arena(monkeypatch)
    shown: list[int] = []

    def count(player: Player, *, games: int, seed: int) -> list[Conversion]:
        shown.append(games)
        return conversions(player, games=games, seed=seed)

    monkeypatch.setattr(command, "conversions", count)
    words = ["ladder", "it", "--simulations", "2", "--games", "2", "--against", "", "--conversions"]
    assert zeromass.main([*words, "1"]) == zeromass.main([*words, "1"]) == 0
    assert zeromass.main([*words, "2"]) == 0
    assert (shown, len(Results.read(run).conversions)) == ([1, 1, 1, 2, 2, 2], 3 * 6)


def results_of(elos: dict[str, float], games: int, seed: int) -> Results:
    """Games between all, drawn from the model that the ratings assume."""
    rng, pairs = np.random.default_rng(seed), []
    for first, second in combinations(elos, 2):
        wins = int(rng.binomial(games, 1 / (1 + 10 ** ((elos[second] - elos[first]) / 400))))
        pairs.append(Pairing(first, second, wins, 0, games - wins, how="64 simulations"))
    known = {f"sha256:{step}": {"name": f"step {step}", "step": step, "minutes": float(step)} for step in (0, 1, 2)}
    return Results(Path("unused"), pairs, known, [])


def test_simulated_results_give_back_the_elo_they_were_drawn_from() -> None:
    elos = {"sha256:0": 1150.0, "sha256:1": 1290.0, "sha256:2": 1420.0, "stockfish:1350": 1350.0, "greedy": 1000.0}
    inside = total = 0
    for seed in range(20):
        standings = standings_of(results_of(elos, 200, seed), "64 simulations", "64 simulations")
        assert standings is not None
        assert "Stockfish's scale, fixed by stockfish:1350" in standings.scale
        found = {row.player: row for row in standings.rows}
        assert (found["stockfish:1350"].given, found["stockfish:1350"].elo) == (True, 1350)
        for name, elo in elos.items():
            row = found[f"step {name[-1]}"] if name.startswith("sha") else found[name]
            if not row.given:
                total += 1
                inside += row.elo_low <= elo <= row.elo_high
                assert abs(row.elo - elo) < 100
    assert 0.85 < inside / total < 1.0


def test_games_with_other_limits_and_unconnected_players_are_left_out() -> None:
    results = results_of({"sha256:0": 100.0, "random": 0.0}, 40, 1)
    results.pairs.append(Pairing("sha256:1", "random", 5, 0, 5, how="1 s a move"))
    results.pairs.append(Pairing("sha256:1", "sha256:2", 5, 0, 5, how="64 simulations"))
    standings = standings_of(results, "64 simulations", "64 simulations")
    assert standings is not None
    assert ({row.player for row in standings.rows}, standings.left_out) == ({"step 0", "random"}, ["step 1", "step 2"])
    assert standings_of(results, "2 simulations", "2 simulations") is None


def test_the_picture_shows_time_to_the_right_and_elo_upwards_of_each_run_in_its_colour(tmp_path: Path) -> None:
    elos = {"sha256:0": 200.0, "sha256:1": 500.0, "sha256:2": 900.0, "stockfish:1350": 1350.0}
    standings = standings_of(results_of(elos, 60, 2), "64 simulations", "64 simulations")
    assert standings is not None
    (tmp_path / "ladder.json").write_text(json.dumps(standings.to_json()))
    given = standing("stockfish:1350", 1350, 1350, 1350, None)
    runs = {"one": read_standings(tmp_path), "two": [standing("b", 1000, 900, 1100, 3.0), given]}
    svg = picture_of_ladder(runs, "a < b & c")
    assert "http" not in re.sub(r"http://www.w3.org/(2000/svg|1999/xlink)", "", svg)
    root = ET.fromstring(svg)
    dots = root.findall(f"{SPACE}circle")
    across = [float(dot.attrib["cx"]) for dot in dots]
    up = [float(dot.attrib["cy"]) for dot in dots[:3]]
    assert (len(dots), across, up) == (4, sorted(across), sorted(up, reverse=True))
    names = {text.text: text.attrib["fill"] for text in root.findall(f"{SPACE}text")}
    assert {"a < b & c", "stockfish:1350 1350"} <= names.keys()
    assert (names["one"], names["two"]) == (dots[0].attrib["fill"], dots[3].attrib["fill"])
    assert names["one"] != names["two"]
    assert len(root.findall(f"{SPACE}line[@stroke-dasharray]")) == 1
    alone = ET.fromstring(picture_of_ladder({"one": runs["one"]}))
    assert "one" not in [text.text for text in alone.findall(f"{SPACE}text")]


@pytest.mark.parametrize(("low", "high"), [(-20, 1300), (0, 1.7), (-1500, -1400), (0, 480)])
def test_ticks_are_round_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 9
    assert low <= found[0] < found[-1] <= high
    steps = np.diff(found)
    assert np.allclose(steps, steps[0])
    assert f"{steps[0]:.0e}"[0] in "125"


def test_a_damaged_snapshot_is_named_and_a_newer_checkpoint_counts(run: Path) -> None:
    path = snapshot_path(run, 40)
    path.write_bytes(path.read_bytes()[:500])
    checkpoint = run / "checkpoints" / "step-00000200" / "weights.safetensors"
    checkpoint.parent.mkdir(parents=True)
    torch.manual_seed(7)
    save_weights(checkpoint, make_network(SparseArchitecture(width=64, hidden=32)), {})
    said: list[str] = []
    found = find_snapshots(run, 10, said.append)
    assert [(one.step, one.minutes) for one in found] == [(0, 0.0), (90, 20.0), (200, None)]
    (skipped,) = said
    assert "skipped: weights file 'runs/it/weights/step-00000040.safetensors' is damaged" in skipped


def test_a_missing_engine(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    Arena(monkeypatch)
    assert ladder("--games", "2", "--against", "random,stockfish:1350") == 0
    said = capsys.readouterr().err
    assert "left out stockfish:1350: engine 'stockfish' is not on PATH; install it" in said
    assert not any("stockfish" in name for pair in games_in(run) for name in pair)


def test_errors_are_one_sentence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*words: str) -> str:
        assert zeromass.main(["ladder", *words]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    assert "run 'nobody' does not exist; runs here: it" in refused("nobody")
    assert "there is no opponent 'karpov'" in refused("it", "--against", "random,karpov")
    assert "Invalid value for '--games'" in refused("it", "--games", "1")
    Path("runs/young").mkdir()
    assert "run 'runs/young' has no snapshot to rate; let it train" in refused("young")
    for damaged in ("{", '{"pairs": []}', '{"pairs": [{"games": 3}], "snapshots": {}, "conversions": []}', "[]"):
        (run / "ladder.json").write_text(damaged)
        assert "ladder 'runs/it/ladder.json' is damaged" in refused("it", "--against", "random")
    wrong = {"how": "", "seed": 0, "first": "a", "second": "b", "games": 3, "wins": 1, "draws": 0, "losses": 0}
    (run / "ladder.json").write_text(json.dumps({"pairs": [wrong], "snapshots": {}, "conversions": []}))
    with pytest.raises(InputError, match="games that do not add up"):
        Results.read(run)


def test_another_search_makes_another_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    options = PlayOptions(64), PlayOptions(64, seconds=0.1)
    now = [(one.how, one.by_simulations) for one in options]
    assert now[0][0] == now[0][1] == now[1][1] == f"64 simulations, c_puct {playing().c_puct:g}"
    assert now[1][0] == f"0.1 s a move by principal variations, c_puct {playing().c_puct:g}"
    monkeypatch.setattr("training.evaluation.opponents.playing", lambda: SearchSettings(c_puct=0.0))
    then = {words for one in options for words in (one.how, one.by_simulations)}
    assert not {words for both in now for words in both} & then
