"""A small run, again and again, while another of its file operations fails: after that and `--resume` it must be the
run that nothing disturbed, bit for bit. Each is a forked child, in which `shim.c` makes the operation fail.

    LD_PRELOAD=shim.so python -m tests.faults.sweep FOLDER FIRST SAMPLED   # what was found, as JSON

The first FIRST operations of a new run and SAMPLED others fail in one way, drawn; FIRST 0: each in every way."""

import ctypes
import errno
import itertools
import json
import logging
import os
import pkgutil
import re
import shutil
import signal
import sys
import traceback
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors.numpy

import zeromass
from tests.training.monitoring.short_run import events_of
from training.durability.checkpoint import WEIGHTS, newest_checkpoint
from training.durability.replay_store import ReplayStore, StoredGame, to_entry
from training.durability.run_folder import RunFolder, read_rows

SETTINGS: Final = (
    "run.folder=runs run.name=it run.minutes=null run.steps=4 run.checkpoint_seconds=1e-9 run.snapshot_minutes=1e-9 "
    "network.width=64 network.hidden=32 selfplay.actors=0 selfplay.games=8 selfplay.ply_cap=16 selfplay.simulations=2 "
    "selfplay.plies_per_call=3 learner.batch_size=32 learner.reuse=1 learner.publish_steps=2 replay.warmup=32 "
    "replay.capacity=32 log.steps=2 evaluation.games=2 evaluation.ply_cap=10"
)
BEGIN: Final = ["train", "demo", *SETTINGS.split()]
RESUME: Final = ["train", "--resume", "it"]
CHANGED: Final = {
    "training.durability.checkpoint.KEPT": 2,
    "training.durability.disk.LOOK_SECONDS": 0.0,
    "training.durability.window.SYNC_SECONDS": -1.0,  # games become durable at the same moments, whatever the time
    "training.durability.window.ReplayStore": partial(ReplayStore, segment_bytes=10_000),
    "training.matches.PGN_EVERY": 4,
    "training.matches.usable_cores": lambda: 1,  # a process with threads must not fork
    "training.monitoring.watch.DETAIL_SECONDS": -1.0,
    "training.monitoring.metrics.to_png": lambda svg, zoom: b"",
}
SENTENCE: Final = re.compile(
    r"zeromass: .+; (make room or repair it, then go on with --resume|set run\.|start a new).*\n"
)
BEFORE: Final = re.compile(r"/\.(driver|lock) | cannot be made ")  # training: it does not wait for room on the disk
UNLIKE: Final = re.compile(r"time|.*seconds$|minutes$|system/|selfplay/|guard/|.*_per_second$|value/calibration_error")
"""Figures that a resumed run has otherwise: times, and those over the games that one process has seen."""
NUMBERS: Final = re.compile(r"\.\d+(?=\.)")  # of processes, and times, in names of files
KILL, SHORT = -1, 0  # as in shim.c
KINDS: Final = {  # what happens at so many operations; "half": after half of a write
    "EIO": (errno.EIO, 1),
    "EIO for ever": (errno.EIO, 10**9),
    "half, then EIO": (errno.EIO, 1),
    "full": (errno.ENOSPC, 1),
    "full for a while": (errno.ENOSPC, 6),
    "half, then full": (errno.ENOSPC, 1),
    "half": (SHORT, 1),
    "killed": (KILL, 1),
    "half, then killed": (KILL, 1),
}
Case = tuple[Path | None, list[str], int, str, str]  # where a run starts, its words, operation number, operation, kind


def child(folder: Path, words: list[str], first: int = 0, kind: str = "EIO") -> tuple[int, str, list[str]]:
    """`zeromass WORDS` in `folder`, whose file operations fail from number `first` on, 0: never. Exit code or signal,
    standard error, operations."""
    outputs = [folder / "out", folder / "err", folder / "trace"]
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    if (process := os.fork()) == 0:
        code = 70
        try:
            signal.alarm(60)  # a run that takes longer hangs
            os.chdir(folder)
            for descriptor, path in zip((1, 2, 9), outputs, strict=True):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            (what, times), half = KINDS[kind], kind.startswith("half")
            ctypes.CDLL(None).arm(os.fsencode(folder.resolve() / "runs"), first, first + times - 1, what, half, 9)
            code = zeromass.main(words)
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    _, status = os.waitpid(process, 0)
    _, said, trace = (path.read_text() for path in outputs)
    return os.waitstatus_to_exitcode(status), said, NUMBERS.sub("", trace).splitlines()


def everything(run: Path) -> dict[str, Any]:
    """All that a finished run promises to hold, apart from times."""
    path, checkpoint, _ = newest_checkpoint(run / "checkpoints")
    state, summary = checkpoint.state, json.loads((run / "summary.json").read_bytes())
    del state["counters"]["seconds"], summary["after"]["pairs"]  # the latter is not read back from a file
    games = ReplayStore(run / "replay").read(state["replay"]["first"])
    files, events = (path / WEIGHTS, *(run / "weights").glob("step-*")), events_of(RunFolder(run))
    curves = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return {
        "state": state,
        "arrays": raw({**checkpoint.optimizer, **checkpoint.player}),
        "weights": {file.name: raw(safetensors.numpy.load_file(file)) for file in files},
        "games": [to_entry(game) for game in games if isinstance(game, StoredGame)],
        "sample games": {file.name: file.read_bytes() for file in (run / "games").glob("*.pgn")},
        "log": [comparable(row) for row in read_rows(run / "log.jsonl")],
        "matches": [comparable(row) for row in read_rows(run / "matches.jsonl")],
        "curves": comparable(curves),
        "doubled": [tag for tag, curve in curves.items() if len({step for step, _ in curve}) < len(curve)],
        "summary": {key: summary[key] for key in ("games", "positions", "steps", "distributions", "after", "missing")},
    }


def raw(arrays: Any) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in arrays.items()}


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not UNLIKE.match(name)}


def outcome(case: Case, folder: Path, wanted: dict[str, Any]) -> tuple[str, str]:
    """How the run of a case fares, and what is wrong with that; nothing where it is as it should be."""
    start, words, number, operation, kind = case
    if start is not None:
        shutil.copytree(start, folder)
    code, said, _ = child(folder, words, number, kind)
    names = {0: "went on", 1: "refused", 2: "refused", -signal.SIGKILL: "killed", -signal.SIGALRM: "hung"}
    name = names.get(code, "traceback")
    if name in ("hung", "traceback") or bool(SENTENCE.fullmatch(said)) != (name == "refused"):
        return "hung" if name == "hung" else "traceback", said
    if "full" in kind and name == "refused" and not BEFORE.search(f"{operation} {said}"):
        return "ended", said
    for words in (RESUME, BEGIN):
        if code and "has already trained" not in said:
            code, said, _ = child(folder, words)
    try:
        found = everything(folder / "runs/it")
    except Exception as error:
        return "different", f"{said} {error!r}"
    # Not promised: the point of the match after training, of a run that ended just when it was to be written.
    without = {tag: curve[:-1] if tag.startswith("evaluation/") else curve for tag, curve in wanted["curves"].items()}
    if found["curves"] == without and "/tensorboard" in operation:
        found["curves"], name = wanted["curves"], f"{name}, without its last point"
    wrong = [part for part in wanted if found[part] != wanted[part]]
    return ("different", f"{said} {', '.join(wrong)}") if wrong else (name, "")


def main() -> None:
    folder, first, sampled = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    logging.disable()  # TensorBoard tells of every resume
    for name, value in CHANGED.items():
        module, _, attribute = name.rpartition(".")
        setattr(pkgutil.resolve_name(module), attribute, value)
    (folder / "before").mkdir(parents=True)
    os.chdir(folder / "before")
    zeromass.main(BEGIN)  # compiles and imports, so that children need not
    whole, same = (child(folder / name, BEGIN)[2] for name in ("whole", "same"))
    assert whole == same
    wanted = everything(folder / "whole/runs/it")
    names = {NUMBERS.sub("", path.name) for path in folder.glob("whole/runs/**/*") if path.is_file()}
    assert not (past := names - {Path(operation).name for operation in whole}), f"written past the shim: {past}"
    # Killed so that there are games, rows and events behind the newest checkpoint, and a half-written one.
    renames = [at for at, what in enumerate(whole, 1) if what.startswith("rename /it/checkpoints/")]
    child(folder / "killed", BEGIN, renames[-1], "killed")
    shutil.copytree(folder / "killed", folder / "resumed")
    resumed = child(folder / "resumed", RESUME)[2]
    assert everything(folder / "resumed/runs/it") == wanted
    cases: list[list[Case]] = [
        [(start, words, at, what, kind) for kind in KINDS if "write" in what or not kind.startswith("half")]
        for start, words, operations in ((None, BEGIN, whole), (folder / "killed", RESUME, resumed))
        for at, what in enumerate(operations, 1)
    ]
    random, totals, wrong = np.random.default_rng(0), Counter(operations=len(cases)), list[str]()
    drawn = (*range(first), *(first + random.permutation(len(cases) - first)[:sampled]))
    one_each = [[group[random.integers(len(group))]] for group in map(cases.__getitem__, drawn)]
    for case in itertools.chain(*(one_each or cases)):
        name, why = outcome(case, folder / "case", wanted)
        totals.update(["faults", name])
        wrong += [f"{' '.join(case[1][:2])}, operation {case[2]}, {case[3]}: {case[4]}: {name}: {why}"] if why else []
        shutil.rmtree(folder / "case")
    print(json.dumps({"totals": totals, "wrong": wrong}))


if __name__ == "__main__":
    main()
