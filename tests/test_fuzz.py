"""2,000 mutated arguments, files and lines over the whole command line: a documented exit code and one sentence.

Work that takes long is bounded; what is tested is everything around it. `pytest tests/test_fuzz.py -k SURFACE` repeats
the cases of a surface exactly. `tests/data/fuzz/seeds.txt` has what is mutated: `surface: line`."""

import contextlib
import dataclasses
import functools
import io
import random
import re
import shlex
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import chess
import chess.engine
import pytest

import agent.analysis.command as analysis
import agent.play.replay as replay
import agent.terminal.plain as plain
import training.evaluation.audit as audit
import training.evaluation.command as evaluate
import training.evaluation.ladder.command as ladder
import training.monitoring.status as status
import training.monitoring.tensorboard as tensorboard
import training.train as train
import zeromass
from agent.engine.agent import Agent, load_agent
from agent.engine.thinker import Thinker
from agent.networks import bundled
from tests.agent.networks.test_weights import small_weights
from training.learner import LearningError
from training.settings import known_keys

DATA = Path(__file__).parent / "data/fuzz"
SIZES = "network.blocks=0 network.channels=8 selfplay.games=4 selfplay.ply_cap=8 replay.warmup=8 learner.batch_size=8"
ABSOLUTE = ["/dev/null/x", "/proc/x", "/dev/full", "/"]
Case = tuple[list[str], str]
"""Words of a command line, and what is typed then."""


def seeds(kind: str) -> list[str]:
    """The lines of a kind in the file of seeds."""
    rows = [line.partition(": ") for line in (DATA / "seeds.txt").read_text().splitlines()]
    return [line for name, _, line in rows if name == kind]


PIECES = [piece.encode("latin-1", "backslashreplace").decode("unicode_escape") for piece in seeds("piece")]


def mutated(text: str, chance: random.Random) -> str:
    """A text with a few places changed."""
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        place, length = chance.randrange(len(text) + 1), chance.choice([1, 1, 2, 5, 30])
        before, piece, behind = text[:place], text[place : place + length], text[place + length :]
        words = re.split(r"(\W+)", text)
        words[chance.randrange(len(words))] = chance.choice(PIECES)
        instead = [chance.choice(PIECES) + piece, "", 2 * piece, None, piece.swapcase()[::-1]]
        text = "".join(words) if (chosen := chance.choice(instead)) is None else before + chosen + behind
    return re.sub(r"(^|[^\w.])/+", r"\1", text)  # tests may run as root: no paths from the root


def damage(path: Path, chance: random.Random) -> None:
    """Change a few bytes of a file or its text, or cut it off."""
    data, kind = path.read_bytes(), chance.randrange(3)
    if kind == 0:
        data = data[: chance.randrange(len(data) + 1)]
    elif kind == 1 and b"\0" not in data:
        text = mutated(data.decode(errors="surrogateescape"), chance)
        data = text.encode(chance.choice(["utf-8", "utf-16"]), "surrogatepass")
    else:
        changed = bytearray(data)
        for _ in range(chance.choice([1, 3, 40]) if data else 0):
            changed[chance.randrange(min(len(data), chance.choice([10, 400, len(data)])))] = chance.randrange(256)
        data = bytes(changed)
    path.write_bytes(data)


def words(chance: random.Random) -> Case:
    found = shlex.split(chance.choice(seeds("words")))
    others = [*PIECES, *ABSOLUTE, "real", "games.pgn", "own.yaml", "--json", "run.steps=1"]
    for _ in range(chance.choice([1, 1, 2])):
        place, kind = chance.randrange(len(found)), chance.randrange(5)
        if kind == 1:
            found.insert(place + 1, chance.choice(others))
        elif kind == 2 and len(found) > 1:
            del found[place]
        else:
            found[place] = chance.choice(others) if kind == 0 else mutated(found[place], chance)
    return found, "e4\nquit\n"


def settings(chance: random.Random) -> Case:
    if chance.random() < 0.5:
        damage(Path("own.yaml"), chance)
    values = [*PIECES, *ABSOLUTE, "1", "0.5", "cpu", "games.pgn", "small.safetensors", "{a: 1}", "[1, 2]"]
    pairs = [f"{chance.choice(known_keys())}={chance.choice(values)}" for _ in range(chance.choice([1, 1, 2]))]
    pairs = [mutated(pair, chance) if chance.random() < 0.3 else pair for pair in pairs]
    return ["train", chance.choice(["own.yaml", "demo", "cpu"]), "run.steps=1", *pairs], ""


def fens(chance: random.Random) -> Case:
    fen = mutated(chance.choice(seeds("fen")), chance)
    return [fen if word == "FEN" else word for word in chance.choice(seeds("fens")).split()], f"fen {fen}\ne4\nmoves\n"


def pgns(chance: random.Random) -> Case:
    damage(Path("games.pgn"), chance)
    return chance.choice(seeds("pgns")).split(), "load games.pgn\nmoves\nthink\npgn\nsave b.pgn\n"


def weights(chance: random.Random) -> Case:
    path = Path("small.safetensors")
    if chance.random() < 0.5:
        damage(path, chance)
    else:  # the description alone, with its length put right
        data = path.read_bytes()
        size = 8 + int.from_bytes(data[:8], "little")
        text = mutated(data[8:size].decode(), chance).encode(errors="surrogatepass")
        path.write_bytes(len(text).to_bytes(8, "little") + text + data[size:])
    return chance.choice(seeds("weights")).split(), "e4\n"


def runs(chance: random.Random) -> Case:
    files = sorted(path for path in Path("runs/real").rglob("*") if path.is_file())
    path = chance.choice([*files, *4 * [file for file in files if file.suffix in (".json", ".jsonl", ".yaml")]])
    kind = chance.randrange(6)
    if kind < 2:
        path.unlink()
        if kind == 1:
            path.mkdir()
    elif kind < 4 and path.suffix in (".json", ".jsonl"):
        values = ["null", "[]", "{}", '"x"', "-1", "1e999", "NaN", "true", "9" * 30]
        change = functools.partial(re.sub, r"(?<=: )[^,:{}\[\]]+")
        text = path.read_text()
        path.write_text(change(lambda old: chance.choice([*values, *200 * [old[0]]]), text))
    else:
        damage(path, chance)
    return chance.choice(seeds("runs")).split(), "e4\n"


def typed(chance: random.Random) -> Case:
    lines = chance.choices(seeds("typed"), k=12)
    return ["play"], "\n".join(mutated(line, chance) if chance.random() < 0.7 else line for line in lines)


Surface = Callable[[random.Random], Case]
SURFACES: dict[Surface, int] = {words: 600, settings: 350, fens: 250, pgns: 250, weights: 200, runs: 200, typed: 150}
"""How many cases of each, 2,000 in all; UCI lines are those of `tests/agent/uci/test_process.py`."""


@pytest.fixture(scope="module")
def shipped() -> Agent:
    return load_agent()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a finished run, weights, settings and games; each case begins with a copy."""
    folder = tmp_path_factory.mktemp("fuzz")
    small_weights(folder).rename(folder / "small.safetensors")
    for name in ("games.pgn", "own.yaml"):
        shutil.copy(DATA / name, folder)
    with contextlib.chdir(folder):
        words = f"train demo selfplay.actors=0 run.name=real run.steps=2 evaluation.games=0 log.steps=1 {SIZES}"
        assert zeromass.main(words.split()) == 0
    return folder


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch, shipped: Agent, tmp_path: Path) -> None:
    """Little work: only a resumed run trains, and stops at once; two short games; no waiting, no engines."""

    def replaced(owner: Any, name: str, function: Callable[..., Any]) -> None:
        """`function` gets the real one first."""
        monkeypatch.setattr(owner, name, functools.partial(function, getattr(owner, name)))

    def run_training(real: Any, *rest: Any, resume: str, **more: Any) -> Any:
        if resume == "asked":
            return real(*rest, resume=resume, **{**more, "stop": lambda: True})
        raise LearningError("stopped by the test")

    think, bundled_weights = Thinker.think, bundled.find_weights().weights

    def short(self: Thinker, board: chess.Board, limits: Any, *rest: Any, **more: Any) -> Any:
        few = {"nodes": 64} if limits.simulations is None else {"simulations": min(limits.simulations, 8)}
        return think(self, board, dataclasses.replace(limits, **few, infinite=False, ponder=False), *rest, **more)

    def load(real: Any, *which: Any, **rest: Any) -> Any:
        return real(*which, **rest) if any(which) or "run" in rest else shipped

    interrupt = Mock(side_effect=KeyboardInterrupt)
    replaced(train, "run_training", run_training)
    monkeypatch.setattr(train, "supervise", vars(train)["run_training"])
    monkeypatch.setattr(train, "ray_for", lambda *rest: contextlib.nullcontext())
    for owner in (evaluate, ladder):
        replaced(owner, "play_match", lambda real, *rest, **more: real(*rest, **{**more, "games": 2, "ply_cap": 10}))
        replaced(owner, "conversions", lambda real, *rest, **more: real(*rest, **{**more, "games": 1}))
    monkeypatch.setattr("training.evaluation.conversion.ENDINGS", {"kq": (chess.QUEEN,)})
    replaced(audit, "run_audit", lambda real, judge, source, number, *rest: real(judge, source, min(number, 99), *rest))
    for owner in (analysis, plain, replay):
        replaced(owner, "load_agent", load)
    replaced(bundled, "load_weights", lambda real, path: bundled_weights if path == bundled.BUNDLED else real(path))
    monkeypatch.setattr(Thinker, "think", short)
    monkeypatch.setattr(shipped, "think", functools.partial(short, shipped._thinker))  # made before this fixture
    monkeypatch.setattr(tensorboard, "start_tensorboard", lambda *rest: "http://127.0.0.1:6006/")
    monkeypatch.setattr(tensorboard, "threading", SimpleNamespace(Event=lambda: SimpleNamespace(wait=interrupt)))
    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=interrupt, time=time.time))
    monkeypatch.setattr(
        chess.engine.SimpleEngine, "popen_uci", Mock(side_effect=FileNotFoundError(2, "no engines here"))
    )
    for name in ("kernels", "rules", "search", "selfplay", "learner", "signature", "weights"):
        module = ModuleType(f"benchmarks.{name}")
        vars(module).update(run=lambda *, rounds=1, seconds=1.0, overrides=(), progress=None: {}, show=lambda found: [])
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)
    monkeypatch.setenv("HOME", str(tmp_path))


def fault_of(case: Case, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is wrong with how the command line takes this case; empty: nothing."""
    given = ("games.pgn", "small.safetensors", "own.yaml")
    inputs = {path: path.read_bytes() for path in map(Path, given) if path.is_file()}
    said, told = io.BytesIO(), io.BytesIO()
    streams = {"stdin": io.BytesIO(case[1].encode(errors="replace")), "stdout": said, "stderr": told}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(stream, "utf-8", write_through=True))
    try:
        code = zeromass.main(case[0]) if case[0] != ["uci"] else 0  # which reads no Python stream
    except BaseException:
        return traceback.format_exc(limit=-4)
    text = told.getvalue().decode()
    if b"Traceback" in said.getvalue() or "Traceback" in text:
        return said.getvalue().decode() + text
    if code not in (0, 1, 2, 130) or (code == 2 and not re.fullmatch(r"(.*\n){0,6}zeromass: .+\n", text)):
        return f"exit code {code} with {text!r}"
    return "" if {path: path.read_bytes() for path in inputs} == inputs else "an input was changed"


@pytest.mark.slow
@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.__name__)
def test_command_line(surface: Surface, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults, ignored = [], None if surface in (words, runs) else shutil.ignore_patterns("runs")
    for number in range(SURFACES[surface]):
        here = tmp_path / str(number) / "a/b/c/d"  # room for paths with ..
        shutil.copytree(folder, here, ignore=ignored)
        monkeypatch.chdir(here)
        case = surface(random.Random(f"{surface.__name__} {number}"))
        if fault := fault_of(case, monkeypatch):
            faults.append(f"{number} {case}: {fault}")
        monkeypatch.chdir(tmp_path)
        shutil.rmtree(tmp_path / str(number))
    assert not faults, "\n\n".join([f"{len(faults)} faults", *faults])
