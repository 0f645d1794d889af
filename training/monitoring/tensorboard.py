"""TensorBoard on loopback, for all runs or one."""

import contextlib
import threading
from pathlib import Path

from agent.errors import InputError
from agent.program import program
from agent.runs import RUNS, find_run
from training.durability.run_folder import read_rows
from training.monitoring.health import judge

HOST = "127.0.0.1"
DEFAULT_PORT = 6006  # of TensorBoard
SHOWN = 10  # newest runs that are listed


def monitor_command(run: str | None, port: int | None, runs: Path = RUNS) -> int:
    """`zeromass monitor`: serve until Ctrl-C. An InputError where there is no such run, or `port` is taken."""
    folder = find_run(run, runs) if run is not None else runs
    if run is None and not runs.is_dir():
        raise InputError(f"folder '{runs}' with runs does not exist; start one with {program()} train")
    address = start_tensorboard(folder, port)
    if port is None and f":{DEFAULT_PORT}/" not in address:
        print(f"Port {DEFAULT_PORT} is taken, so another one is used.", flush=True)
    print(*runs_found(folder), f"TensorBoard shows {folder} at {address}", sep="\n")
    print(f"The dashboard is {address}#custom_scalars\nPress Ctrl-C to stop it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # the normal way to end it
        threading.Event().wait()
    return 0


def runs_found(folder: Path) -> list[str]:
    """A line about each of the newest runs in `folder`, or about the one run that `folder` is."""
    found = [path.parent for path in (folder / "settings.yaml", *folder.glob("*/settings.yaml")) if path.exists()]
    newest = sorted(found, key=lambda run: run.stat().st_mtime, reverse=True)
    lines = []
    for run in newest[:SHOWN]:
        rows = read_rows(run / "log.jsonl")
        step = f"step {rows[-1]['step']:,}" if rows else "no rows yet"
        lines.append(f"{run.name}: {step}; {judge(rows).verdict}")
    if len(newest) > SHOWN:
        lines.append(f"and {len(newest) - SHOWN} older ones")
    return lines or [f"no runs in {folder} yet; new ones will be shown"]


def start_tensorboard(folder: Path, port: int | None) -> str:
    """Serve the event files below `folder` from a thread of this process; returns the address. Without `port` it is
    6006, or the next that is free; an InputError where a given `port` is taken."""
    from tensorboard.program import TensorBoard, TensorBoardServerException  # takes seconds

    tensorboard = TensorBoard()
    # The data server would be a second process that outlives a killed first one.
    options = ["--host", HOST, "--load_fast", "false", "--reload_interval", "5"]
    chosen = [] if port is None else ["--port", str(port)]
    tensorboard.configure(argv=["tensorboard", "--logdir", str(folder), *options, *chosen])
    try:
        return str(tensorboard.launch())
    except TensorBoardServerException as error:
        where = f"port {port or DEFAULT_PORT} on {HOST}"
        raise InputError(f"{where} is taken or not allowed; give another with --port, or none") from error
