"""The engine as a child process, also with python-chess's engine client as the program: play, analysis, pondering,
several lines; docs/play.md and the lichess-bot file name the options as they are; random lines do no harm."""

import contextlib
import itertools
import logging
import random
import re
import string
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import chess
import chess.engine
import pytest
import yaml
from typer.main import get_command

import zeromass
from agent.uci.options import DECLARED
from agent.uci.words import read_command
from tests.agent.standin import PATIENCE
from tests.processes import ENVIRONMENT, run_python, start_zeromass
from tests.tables import table

ROOT = Path(__file__).resolve().parents[3]


def test_starter_of_the_guide(tmp_path: Path) -> None:
    """`zeromass-uci`, run from elsewhere; it needs no argument, and ends with one sentence where it cannot play."""
    assert "realpath .venv/bin/zeromass-uci" in (ROOT / "docs/play.md").read_text()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["zeromass-uci"].split(":")
    broken = "import agent.networks.bundled as bundled, pathlib; bundled.BUNDLED = pathlib.Path('none'); "
    for first, code, said in (("", 0, ""), (broken, 2, "zeromass: weights file 'none' does not exist")):
        script = f"{first}import sys; from {module} import {function}; sys.exit({function}())"
        typed = "uci\nisready\nquit\n" if code else "uci\nquit\n"
        done = run_python("-c", script, folder=tmp_path, typed=typed, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (code, "uciok"), done.stderr
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == bool(said)


@pytest.mark.slow
def test_uci_test_suite(tmp_path: Path) -> None:
    starter = tmp_path / "zeromass-uci"
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zeromass uci\n')
    starter.chmod(0o755)
    done = run_python("-m", "uci_test_suite", str(starter), seconds=600)
    assert done.returncode == 0, done.stdout
    assert " 0 failed" in done.stdout


def test_reader_that_goes_away_ends_the_engine_quietly(tmp_path: Path) -> None:
    process = start_zeromass("uci", folder=tmp_path)
    process.stdout.close()
    process.stdin.write("uci\nuci\n")
    process.stdin.flush()
    assert process.wait(PATIENCE) == 0  # though its input is still open
    assert process.stderr.read() == ""


def test_guide_names_every_option() -> None:
    guide, play = (ROOT / "docs/play.md").read_text(), cast(Any, get_command(zeromass.app)).commands["play"]
    table = guide.split("| option | meaning |")[1].split("\n\n")[0]
    options = [name for option in play.params for name in option.opts]
    assert sorted(re.findall(r"^\| `(--[\w-]+)", table, re.MULTILINE)) == sorted(options)
    table = guide.split("| UCI option | meaning |")[1].split("\n\n")[0]
    named = re.findall(r"^\| ([A-Za-z_ ,]+) \|", table, re.MULTILINE)
    assert {name for row in named for name in row.split(", ")} == set(DECLARED)


def test_lichess_bot_file_sets_options_that_exist() -> None:
    config = yaml.safe_load((ROOT / "configs/lichess-bot.yml").read_text())
    options = config["engine"]["uci_options"]
    assert options.keys() <= DECLARED.keys()
    for name, value in options.items():
        assert DECLARED[name].read(name, str(value)) == value
    assert config["engine"]["protocol"] == "uci"
    assert config["challenge"]["variants"] == ["standard"]


QUIET = chess.Board("r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R b KQkq - 3 3")


@contextlib.contextmanager
def started(options: chess.engine.ConfigMapping) -> Iterator[chess.engine.SimpleEngine]:
    """An engine, closed at the end."""
    command = [sys.executable, "-m", "zeromass", "uci"]
    engine = chess.engine.SimpleEngine.popen_uci(command, timeout=60, env=ENVIRONMENT)
    try:
        engine.configure(options)
        engine.ping()
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[chess.engine.SimpleEngine]:
    with started({}) as engine:
        yield engine


def test_whole_games_by_nodes_time_and_clock(engine: chess.engine.SimpleEngine) -> None:
    """python-chess raises on an illegal answer."""
    clock = chess.engine.Limit(white_clock=1.0, black_clock=1.0, white_inc=0.01, black_inc=0.01)
    limits = [chess.engine.Limit(nodes=50), chess.engine.Limit(time=0.01), clock, chess.engine.Limit(depth=2)]
    for game, pair in enumerate(itertools.pairwise(limits)):
        board = chess.Board()
        while not board.is_game_over(claim_draw=True):
            played = engine.play(board, pair[board.turn], game=game, info=chess.engine.INFO_ALL)
            assert played.move is not None
            assert {"score", "nodes", "nps", "depth", "seldepth", "time", "pv", "hashfull"} <= set(played.info)
            board.push(played.move)


def test_analysis_of_several_lines(engine: chess.engine.SimpleEngine) -> None:
    infos = engine.analyse(QUIET, chess.engine.Limit(nodes=2000), multipv=3)
    assert [info["multipv"] for info in infos] == [1, 2, 3]
    assert len({info["pv"][0] for info in infos}) == 3
    for info in infos:
        assert QUIET.variation_san(info["pv"])  # raises where a move is illegal


def test_infinite_analysis_until_stopped(engine: chess.engine.SimpleEngine) -> None:
    with engine.analysis(QUIET) as analysis:
        nodes = [info["nodes"] for info in itertools.islice((info for info in analysis if "nodes" in info), 3)]
    assert nodes == sorted(nodes)
    assert analysis.wait().move in list(QUIET.legal_moves)


def test_a_session_as_lichess_bot_holds_it(caplog: pytest.LogCaptureFixture) -> None:
    """Options, ping, games on the clock with pondering, ping while it ponders, quit: python-chess warns of nothing."""
    options = yaml.safe_load((ROOT / "configs/lichess-bot.yml").read_text())["engine"]["uci_options"]
    with caplog.at_level(logging.WARNING), started({**options, "Threads": 4, "Hash": 64}) as engine:
        for game in range(2):
            board, clocks = chess.Board(), [2.0, 2.0]
            engine.send_opponent_information(opponent=chess.engine.Opponent("somebody", "IM", 2000, False))
            for ply in range(6):
                limit = chess.engine.Limit(black_clock=clocks[0], white_clock=clocks[1], black_inc=0.1, white_inc=0.1)
                began = time.perf_counter()
                # A copy: python-chess takes a board that reaches the pondered position for the next to be played.
                played = engine.play(board.copy(), limit, game=game, info=chess.engine.INFO_ALL, ponder=True)
                clocks[board.turn] = max(clocks[board.turn] - (time.perf_counter() - began), 0.1)
                assert played.move is not None
                board.push(played.move)
                board.push(played.ponder if played.ponder and ply % 2 else next(iter(board.legal_moves)))
            engine.ping()
        engine.quit()
    assert [record.getMessage() for record in caplog.records] == []


SOUND = [sentence for (sentence,) in table("uci_sentences")]


def mutated(chance: random.Random) -> bytes:
    line = bytearray(chance.choice(SOUND).encode())
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        place = chance.randrange(len(line) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            line[place:place] = bytes(chance.choices(range(256), k=chance.choice([1, 1, 3, 40])))
        elif kind == 1:
            del line[place : place + chance.randint(1, 8)]
        elif kind == 2:
            line[place:place] = b" " + chance.choice(SOUND).encode() + b" "
        else:
            line[place:place] = chance.choice([b"-", b"9" * 30, b"0", b"e8=Q", b"\t", b"\x00", b" value ", b" moves "])
    # Lines that end it, or that ask for a great tree or a long thought, are another test's.
    bare = bytes(line).replace(b"\n", b" ").replace(b"\r", b" ")
    return b"x" if b"quit" in bare or b"Hash" in bare or b"hash" in bare else bare


def test_ten_thousand_lines(tmp_path: Path) -> None:
    chance = random.Random(2026)
    letters = (string.ascii_letters + string.digits + " /-\t=#+").encode()
    lines = [
        mutated(chance) if chance.random() < 0.8 else bytes(chance.choices(letters, k=chance.randrange(60)))
        for _ in range(10_000)
    ]
    # Whatever thinks without end is stopped, so that the rest is read.
    asked = [line + (b"\n" if number % 10 else b"\nstop\n") for number, line in enumerate(lines)]
    asked.append(b"stop\nsetoption name UCI_LimitStrength value false\nsetoption name MultiPV value 1\n")
    asked.append(b"ucinewgame\nposition startpos moves e2e4\nisready\ngo nodes 64\n")
    typed = b"".join(asked).decode(errors="surrogateescape")
    done = run_python("-m", "zeromass", "uci", folder=tmp_path, typed=typed, seconds=4 * PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    answers = done.stdout.splitlines()
    assert answers[-1].startswith("bestmove ")
    assert " nodes 64 " in answers[-2]
    started = sum(read_command(line.decode(errors="replace"))[0] == "go" for line in lines) + 1
    assert sum(answer.startswith("bestmove ") for answer in answers) == started
