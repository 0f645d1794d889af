"""The run folder: `runs/NAME/` with settings, checkpoints, TensorBoard, games and the log; and its lock."""

import contextlib
import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import chess
import chess.pgn

from agent.compilation import try_lock
from agent.errors import InputError, printable
from agent.files import write_atomic
from agent.rules import Termination
from agent.runs import RUNS, find_run
from selfplay.record import GameRecord
from training.durability.checkpoint import list_checkpoints
from training.evaluation.match import MatchResult
from training.settings import Settings, load_settings

PATIENCE: Final = 60.0  # seconds that a process waits for an earlier one that may just have been killed
DRIVER: Final = ".driver"
_RESULTS: Final = {1: "1-0", 0: "1/2-1/2", -1: "0-1"}


class RunFolder:
    """Paths of the run in folder `path`, and the small files in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.games = path / "games"  # sample games as PGN
        self.replay = path / "replay"  # games of the replay buffer, see `training.durability.replay_store`
        self.log = path / "log.jsonl"  # one JSON object a line, by learner step
        self.matches = path / "matches.jsonl"  # one match a line
        self.evidence = path / "evidence"  # batches that broke the loss, see `training.durability.watchdog`
        self.faults = path / "faults.log"  # failures that were recovered from, one a line

    @classmethod
    def create(cls, settings: Settings, config: str | None, claim: ExitStack | None = None) -> "RunFolder":
        """Make a run folder, or use one again that has no checkpoint; save the settings in it. No other process
        starts it until `claim` is closed. An InputError where a run of this name exists or is being started, or the
        folder cannot be made."""
        stem = Path(config).stem if config else "run"
        name = settings.run.name or f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
        path = Path(settings.run.folder) / name
        folder = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with ExitStack() as held:
                (claim or held).enter_context(run_locked(path, DRIVER, patience=1.0))
                held.enter_context(run_locked(path, patience=1.0))
                if list_checkpoints(folder.checkpoints):
                    raise InputError(f"run '{path}' exists already; {folder.go_on}, or choose another run.name")
                folder.matches.unlink(missing_ok=True)
                for sub in (folder.checkpoints, folder.tensorboard, folder.games):
                    sub.mkdir(exist_ok=True)
                write_atomic(path / "settings.yaml", settings.to_yaml().encode())
        except OSError as error:
            reason = f"run folder '{path}' cannot be made ({error.strerror})"
            raise InputError(f"{reason}; set run.folder or run.name") from error
        return folder

    @classmethod
    def find(cls, name: str, runs: Path = RUNS) -> "RunFolder":
        """The run of this name, or in this folder; an InputError if there is none that `zeromass train` made."""
        path = find_run(name, runs)
        if not (path / "settings.yaml").is_file():
            raise InputError(f"run '{path}' has no settings.yaml, so it cannot be resumed; start a new run")
        return cls(path)

    @property
    def go_on(self) -> str:
        """What to do after an end that was not planned."""
        return f"go on with --resume {shlex.quote(str(self.path))}"

    def settings(self, overrides: list[str]) -> Settings:
        """The run's settings, with overrides on top."""
        return load_settings(self.path / "settings.yaml", overrides)

    def cut_log(self, step: int) -> None:
        """Drop lines after learner step `step`, which a resumed run writes again, and a line torn by a crash."""
        if self.log.exists():
            kept = [json.dumps(row) + "\n" for row in read_rows(self.log) if row["step"] <= step]
            write_atomic(self.log, "".join(kept).encode())

    def note_fault(self, what: str) -> None:
        """Add one line to the faults; if it cannot be written, the run goes on."""
        with contextlib.suppress(OSError), self.faults.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {what}\n")

    def match(self, when: str, step: int = 0) -> MatchResult | None:
        """The match `before` or `after` training, at this learner step, if there was one."""
        found = next((row for row in read_rows(self.matches) if (row.get("when"), row["step"]) == (when, step)), {})
        with contextlib.suppress(KeyError, TypeError):  # none, or a damaged line
            return MatchResult.from_json(found)
        return None

    def has_finished(self, step: int) -> bool:
        """Whether the run has a summary of this learner step, and was not stopped before that."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            summary = json.loads((self.path / "summary.json").read_bytes())
            return bool(summary["steps"] == step and not summary["stopped"])
        return False

    def save_game(self, number: int, record: GameRecord) -> None:
        """Write one game as PGN, with its provenance in the tags."""
        write_atomic(self.games / f"game-{number:08d}.pgn", (str(to_pgn(record, self.path.name)) + "\n").encode())


@contextlib.contextmanager
def run_locked(folder: Path, name: str = ".lock", *, patience: float | None = None) -> Iterator[None]:
    """Hold a lock of the run in `folder`: one process trains it, and one, which holds `DRIVER`, started that one. The
    system releases it when its holder dies. An InputError where another process holds it after `patience` seconds, an
    OSError where it cannot be locked."""
    until = time.monotonic() + (PATIENCE if patience is None else patience)
    with (folder / name).open("ab") as file:
        while not try_lock(file):
            if time.monotonic() > until:
                raise InputError(f"run '{folder}' is being trained by another process; stop that one first")
            time.sleep(0.1)
        yield


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a log by step; a torn last line, or one that is no row, is skipped. Empty if there is no log. An
    InputError where it cannot be read."""
    rows = []
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}); move it out of the run folder") from error
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            # An integer beyond 64 bits may be beyond float too, which figures are computed in.
            row = json.loads(line, parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits))
            if isinstance(row, dict) and type(row.get("step")) is int and isinstance(row.get("time", 0), int | float):
                rows.append({printable(key): value for key, value in row.items()})
    return rows


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add one line to a log, below one torn by a crash; on a full disk nothing rather than half a line."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a+b") as file:
            file.seek(max(size - 1, 0))
            torn = file.read() not in (b"", b"\n")
            file.write(b"\n" * torn + json.dumps(row).encode() + b"\n")
    except OSError:
        if path.exists():
            os.truncate(path, size)
        raise


def to_pgn(record: GameRecord, run: str) -> chess.pgn.Game:
    """The game with its provenance; comments mark the end of the opening and give the values."""
    game = chess.pgn.Game.from_board(record.board())
    player, why = f"ZeroMass version {record.version}", record.termination.name.lower().replace("_", " ")
    result = "*" if record.termination == Termination.TRUNCATED else _RESULTS[record.outcome]
    game.headers.update(Event=f"ZeroMass self-play, run {run}", White=player, Black=player, Result=result)
    game.headers.update(Termination=why, GameId=record.game, Seed=str(record.seed))
    comments = [""] * len(record.opening) + [f"value before {value:+.2f}" for value in record.values.tolist()]
    if record.opening.size:
        comments[len(record.opening) - 1] = "end of the opening"
    for node, comment in zip(game.mainline(), comments, strict=True):
        node.comment = comment
    return game
