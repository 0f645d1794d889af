"""The run folder: `runs/NAME/` with settings, checkpoints, TensorBoard, games and the log."""

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chess
import chess.pgn

from agent import rules, vocabulary
from agent.errors import InputError
from agent.files import write_atomic
from agent.rules import Termination
from agent.runs import RUNS, find_run
from selfplay.record import GameRecord
from training.evaluation.match import MatchResult
from training.settings import Settings, load_settings

_RESULTS = {1: "1-0", 0: "1/2-1/2", -1: "0-1"}


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run, and the small files in it."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Of `training.durability.checkpoint`."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.path / "tensorboard"

    @property
    def games(self) -> Path:
        """Sample games as PGN."""
        return self.path / "games"

    @property
    def replay(self) -> Path:
        """Games of the learner's window, of `training.durability.replay_store`."""
        return self.path / "replay"

    @property
    def log(self) -> Path:
        """One JSON object a line, by learner step."""
        return self.path / "log.jsonl"

    @property
    def evidence(self) -> Path:
        """Batches that broke the loss, of `training.durability.watchdog`."""
        return self.path / "evidence"

    @property
    def faults(self) -> Path:
        """What went wrong and was mended, a line each."""
        return self.path / "faults.log"

    @classmethod
    def create(cls, settings: Settings, config: str | None) -> "RunFolder":
        """Make a new run folder and save the resolved settings in it.

        Raises:
            InputError: a run of this name exists, or the folder cannot be made.
        """
        stem = Path(config).stem if config else "run"
        name = settings.run.name or f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
        path = Path(settings.run.folder) / name
        if (path / "settings.yaml").exists():
            raise InputError(f"run '{path}' exists already; go on with --resume {name}, or choose another run.name")
        folder = cls(path)
        try:
            for sub in (folder.checkpoints, folder.tensorboard, folder.games):
                sub.mkdir(parents=True, exist_ok=True)
            write_atomic(path / "settings.yaml", settings.to_yaml().encode())
        except OSError as error:
            raise InputError(f"run folder '{path}' cannot be made ({error.strerror}); set run.folder") from error
        return folder

    @classmethod
    def find(cls, name: str, runs: Path = RUNS) -> "RunFolder":
        """The run that `name` (or a path) means.

        Raises:
            InputError: there is none, or it was not made by `zeromass train`.
        """
        path = find_run(name, runs)
        if not (path / "settings.yaml").is_file():
            raise InputError(f"run '{path}' has no settings.yaml, so it cannot be resumed; start a new run")
        return cls(path)

    def settings(self, overrides: list[str]) -> Settings:
        """The run's settings, with overrides on top."""
        return load_settings(self.path / "settings.yaml", overrides)

    def append_log(self, row: dict[str, Any]) -> None:
        """Add one line to the log."""
        _append(self.log, row)

    def cut_log(self, step: int) -> None:
        """Drop lines after learner step `step`, and a line torn by a crash: a resumed run writes them anew."""
        if not self.log.exists():
            return
        kept = []
        for line in self.log.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                continue
        write_atomic(self.log, "".join(line + "\n" for line in kept).encode())

    def note_fault(self, what: str) -> None:
        """Add one line to the faults; a disk that cannot take it is no reason to stop."""
        with contextlib.suppress(OSError), self.faults.open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {what}\n")

    def append_match(self, row: dict[str, Any]) -> None:
        """Keep the result of a match."""
        _append(self.path / "matches.jsonl", row)

    def first_match(self) -> MatchResult | None:
        """The match before training, if there was one."""
        path = self.path / "matches.jsonl"
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # torn by a crash
            if row["when"] == "before":
                return MatchResult.from_json(row)
        return None

    def save_game(self, number: int, record: GameRecord) -> None:
        """Write one game as PGN, with where it came from in its tags."""
        write_atomic(self.games / f"game-{number:08d}.pgn", (str(to_pgn(record, self.path.name)) + "\n").encode())


def _append(path: Path, row: dict[str, Any]) -> None:
    """Add one line; where the disk is full, none rather than half of one."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
    except OSError:
        if path.exists():
            os.truncate(path, size)
        raise


def to_pgn(record: GameRecord, run: str) -> chess.pgn.Game:
    """The game with its provenance; comments tell where the opening ends and what the values were."""
    game = chess.pgn.Game()
    game.headers.update(
        {
            "Event": f"ZeroMass self-play, run {run}",
            "White": f"ZeroMass version {record.version}",
            "Black": f"ZeroMass version {record.version}",
            "Result": _RESULTS[record.outcome],
            "Termination": record.termination.name.lower().replace("_", " "),
            "GameId": record.game,
            "Seed": str(record.seed),
        }
    )
    if record.termination == Termination.CAPPED:
        game.headers["Result"] = "*"
    board = rules.to_board(record.start)
    if board.fen() != chess.STARTING_FEN:
        game.setup(board)
    node: chess.pgn.GameNode = game
    black = board.turn == chess.BLACK
    for move in record.opening.tolist():
        node = node.add_variation(chess.Move.from_uci(vocabulary.to_uci(move, black=black)))
        black = not black
    if record.opening.size:
        node.comment = "end of the opening"
    blacks = rules.is_black(record.positions)
    for move, value, is_black in zip(record.moves.tolist(), record.values.tolist(), blacks.tolist(), strict=True):
        node = node.add_variation(chess.Move.from_uci(vocabulary.to_uci(move, black=is_black)))
        node.comment = f"value before {value:+.2f}"
    return game
