"""The command line: one verb a function, thin. What a verb needs is imported when it runs, so start-up is light."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from agent.errors import InputError
from agent.files import typed_path
from agent.program import program, remember_program, safe_streams

app = typer.Typer(rich_markup_mode=None)

_Json = Annotated[bool, Option("--json", help="Print one JSON object on standard output.")]
_Weights = Annotated[Path | None, Option(help="Use this weights file; default: the bundled weights.")]
_Run = Annotated[str | None, Option(help="Use this run's newest checkpoint.")]
_Seed = Annotated[int, Option(min=0, max=2**31 - 1, help="Seed of everything random.")]
_Simulations = Annotated[int, Option(min=0, max=100_000, help="Of the agent's search; 0: one ply.")]
_Seconds = Annotated[float | None, Option(min=0.01, max=3600, help="Each side's time a move, instead of simulations.")]
_SideBySide = Annotated[int, Option(min=1, max=256, help="Concurrent games under time control, one core each.")]


@app.callback(invoke_without_command=True)
def options(version: Annotated[bool, Option("--version", help="Print the version and exit.")] = False) -> None:
    """A chess agent that learns by playing itself and gives illegal moves probability exactly zero."""
    if version:
        from importlib.metadata import version as installed

        print(f"zeromass {installed('zeromass')}")
        raise typer.Exit


@app.command()
def train(
    arguments: Annotated[
        list[str] | None,
        Argument(metavar="[CONFIG] [KEY=VALUE]...", help="demo, cpu, strong, gpu-demo, gpu, cluster or a YAML file."),
    ] = None,
    resume: Annotated[str | None, Option(metavar="RUN", help="Continue from this run's newest checkpoint.")] = None,
    cluster: Annotated[str | None, Option(metavar="ADDRESS", help="Join this Ray cluster.")] = None,
) -> int:
    """Train by self-play; Ctrl-C ends in a checkpoint."""
    from training.train import train_command

    config, overrides = split_arguments(arguments or [])
    return train_command(config, overrides, resume, cluster)


@app.command()
def play(
    plain: Annotated[bool, Option("--plain", help="Line by line, for pipes and any terminal.")] = False,
    side: Annotated[Literal["white", "black", "random"], Option(help="Your colour.")] = "white",
    fen: Annotated[str | None, Option(help="Start from this position.")] = None,
    weights: _Weights = None,
    run: _Run = None,
    seed: Annotated[int | None, Option(min=0, help="Fixes a random side and the noise.")] = None,
    strength: Annotated[str | None, Option(metavar="LEVEL", help="400 (simulations), 2s (a move), 'elo 1200'.")] = None,
    browser: Annotated[bool, Option("--browser", help="In the browser, served on this machine only.")] = False,
    port: Annotated[int | None, Option(min=1, max=65535, help="With --browser: exactly this port.")] = None,
    no_open: Annotated[bool, Option("--no-open", help="With --browser: only print the address.")] = False,
) -> int:
    """Play a game against the agent in the terminal or the browser."""
    from agent.notation import read_fen
    from agent.play.level import read_level

    _exclusive(weights, run)
    if not browser and (port is not None or no_open):
        raise InputError(f"{'--no-open' if port is None else f'--port {port}'} has no use without --browser; add it")
    start = read_fen(fen) if fen is not None else None  # before Numba loads: mistakes are reported at once
    level = read_level(strength) if strength is not None else None
    if browser:
        from agent.browser.server import browser_command

        return browser_command(start, side, weights, run, seed, port=port, opened=not no_open, level=level)
    from agent.terminal.plain import play_command

    return play_command(start, side, weights, run, seed, plain, level=level)


@app.command()
def uci() -> int:
    """Be a UCI engine on standard input and output, for chess programs."""
    from agent.uci.engine import main as uci_main

    return uci_main()


@app.command()
def evaluate(
    opponent: Annotated[
        str | None,
        Option(help="random (default), greedy, alphabeta:DEPTH, stockfish:ELO, engine:COMMAND or a weights file."),
    ] = None,
    games: Annotated[int, Option(min=1, max=100_000, help="How many; with --sprt at most.")] = 100,
    weights: _Weights = None,
    run: _Run = None,
    seed: _Seed = 0,
    simulations: _Simulations = 64,
    policy: Annotated[bool, Option("--policy", help="Play the policy alone, without search.")] = False,
    seconds: _Seconds = None,
    side_by_side: _SideBySide = 1,
    pgn: Annotated[Path | None, Option(help="Write the games there, fit for zeromass replay.")] = None,
    sprt: Annotated[
        str | None, Option(metavar="ELO0:ELO1", help="Stop once a sequential test has decided between the two.")
    ] = None,
    conversion: Annotated[
        bool, Option("--conversion", help="No match: queen, rook, two bishops against a bare king.")
    ] = False,
    as_json: _Json = False,
) -> int:
    """Play a match and print wins, draws, losses and the score with its 95 % interval."""
    _exclusive(weights, run)
    if conversion:
        for name, given in (("--opponent", opponent), ("--sprt", sprt), ("--pgn", pgn)):
            if given is not None:
                raise InputError(f"--conversion plays no match, so {name} '{given}' has no use; leave one out")
    from training.evaluation.command import MatchOptions, conversion_command, evaluate_command
    from training.evaluation.opponents import PlayOptions

    options = PlayOptions(simulations, policy, seconds, side_by_side)
    if conversion:
        return conversion_command(weights, run, games, seed, options, as_json)
    match = MatchOptions(opponent or "random", games, seed, options, pgn, sprt)
    return evaluate_command(weights, run, match, as_json)


@app.command()
def ladder(
    run: Annotated[str, Argument(metavar="RUN", help="A run folder, by name or path.")],
    against: Annotated[
        str, Option(metavar="NAME,NAME...", help="Opponents that set the scale, as for evaluate; '' for none.")
    ] = "random,greedy,alphabeta:2,alphabeta:3",
    snapshots: Annotated[int, Option(min=1, max=1000, help="Most snapshots, evenly chosen over the run.")] = 8,
    games: Annotated[int, Option(min=2, max=10_000, help="Of each pair.")] = 40,
    simulations: _Simulations = 64,
    seconds: _Seconds = None,
    side_by_side: _SideBySide = 1,
    conversions: Annotated[int, Option(min=0, max=10_000, help="Starts of each won ending; 0: none.")] = 20,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> int:
    """Rate a run's snapshots on one Elo scale; after Ctrl-C the same command continues."""
    from training.evaluation.ladder.command import LadderOptions, ladder_command
    from training.evaluation.opponents import PlayOptions

    names = tuple(name for name in against.split(",") if name)
    play = PlayOptions(simulations, seconds=seconds, side_by_side=side_by_side)
    return ladder_command(run, LadderOptions(names, snapshots, games, play, conversions, seed), as_json)


@app.command()
def tune(
    file: Annotated[Path, Argument(metavar="FILE.json", help="Begin there, or continue what it holds.")],
    nodes: Annotated[int, Option(min=100, max=10**8, help="Of each move's search.")] = 4000,
    games: Annotated[int, Option(min=2, max=10**7, help="To tune with.")] = 20_000,
    check: Annotated[int, Option(min=0, max=10**6, help="Then against the constants as they are.")] = 1000,
    seed: _Seed = 0,
    side_by_side: _SideBySide = 1,
    weights: _Weights = None,
) -> int:
    """Tune the constants of the search by games; after Ctrl-C the same command continues."""
    from training.evaluation.tune import tune_command

    return tune_command(file, nodes, games, check, seed, side_by_side, weights)


@app.command()
def replay(
    pgn: Annotated[Path, Argument(metavar="GAME.pgn", help="Saved by play, or by evaluate --pgn.")],
    weights: _Weights = None,
    run: _Run = None,
) -> int:
    """Let the agent choose the moves of saved games again; exit code 1 if one differs."""
    _exclusive(weights, run)
    from agent.play.replay import replay_command

    return replay_command(pgn, weights, run)


@app.command()
def analyse(
    what: Annotated[str, Argument(metavar="GAME.pgn|FEN", help="A game, or a position.")],
    nodes: Annotated[int, Option(min=1, max=1_000_000_000, help="Of each position's search.")] = 20_000,
    pgn: Annotated[Path | None, Option(help="Write the annotated game there.")] = None,
    picture: Annotated[Path | None, Option(help="Write value curve and board there, .svg or .png.")] = None,
    game: Annotated[int, Option(min=1, help="Which game of the file.")] = 1,
    weights: _Weights = None,
    run: _Run = None,
) -> int:
    """Judge the moves of a game, or evaluate those of a position: prior, value, the better move, blunders."""
    _exclusive(weights, run)
    from agent.analysis.command import analyse_command

    return analyse_command(what, nodes, pgn, picture, weights, run, game)


@app.command()
def audit(
    positions: Annotated[int, Option(min=1, max=10**9, help="How many to look at.")] = 100_000,
    pgn: Annotated[Path | None, Option(help="Take positions from these games, not from self-play.")] = None,
    weights: _Weights = None,
    run: _Run = None,
    as_json: _Json = False,
) -> int:
    """Show how much probability illegal moves get from each way of masking, on the same positions."""
    from training.evaluation.audit import audit_command

    _exclusive(weights, run)
    return audit_command(weights, run, pgn, positions, as_json)


@app.command()
def monitor(
    run: Annotated[str | None, Argument(metavar="[RUN]", help="Only this run.")] = None,
    port: Annotated[int | None, Option(min=1, max=65535, help="Exactly this port.")] = None,
) -> int:
    """Show the curves of all runs, or of RUN, in the browser (TensorBoard on this machine only)."""
    from training.monitoring.tensorboard import monitor_command

    return monitor_command(run, port)


@app.command()
def status(
    run: Annotated[str, Argument(metavar="RUN", help="Name or folder.")],
    follow: Annotated[bool, Option("--follow", help="Refresh until the run ends, or Ctrl-C.")] = False,
    as_json: _Json = False,
) -> int:
    """Say whether a run is healthy, and if not, why and what to do (exit code 1)."""
    if follow and as_json:
        raise InputError("--follow and --json exclude each other; give one")
    from training.monitoring.status import status_command

    return status_command(run, follow, as_json)


@app.command()
def export(
    form: Annotated[Literal["onnx"], Argument(help="With the masked policy, for ONNX Runtime and others.")],
    out: Annotated[Path, Option(help="Write it there.")] = Path("zeromass.onnx"),
    weights: _Weights = None,
    run: _Run = None,
) -> int:
    """Write a network in a form that other programs read."""
    _exclusive(weights, run)
    try:
        from agent.networks.export import export_command
    except ModuleNotFoundError as error:
        raise InputError(f"package {error.name!r} is not installed; run pip install 'zeromass[onnx]'") from error
    return export_command(weights, run, out)


@app.command()
def doctor(as_json: _Json = False) -> int:
    """Say what this machine has, which path each part takes and why, and what would limit a run."""
    from training.doctor import doctor_command

    return doctor_command(as_json)


@app.command()
def benchmark(
    what: Literal["kernels", "rules", "search", "selfplay", "learner", "signature", "weights"],
    settings: Annotated[
        list[str] | None,
        Argument(metavar="[KEY=VALUE]...", help="Other settings (kernels, selfplay, learner, weights)."),
    ] = None,
    peers_python: Annotated[
        str | None, Option(metavar="PATH", help="An interpreter that has OpenSpiel, PettingZoo (rules).")
    ] = None,
    rounds: Annotated[int | None, Option(min=1, help="Times that speeds are measured in turn.")] = None,
    seconds: Annotated[float | None, Option(min=0.001, help="Of one timing.")] = None,
    as_json: _Json = False,
) -> int:
    """Measure speed against the alternatives in one sitting, or judge weights."""
    with _source_tree(f"benchmark '{what}'"):
        from benchmarks.command import benchmark_command
    options = {"overrides": settings, "peers_python": peers_python, "rounds": rounds, "seconds": seconds}
    return benchmark_command(what, {name: value for name, value in options.items() if value not in (None, [])}, as_json)


@app.command()
def verify(what: Literal["gpu"], as_json: _Json = False) -> int:
    """Check what only a GPU can show, in ten minutes at most; exit code 1 if something is wrong."""
    with _source_tree(f"'verify {what}'"):
        from benchmarks.command import verify_command
    return verify_command(as_json)


@contextlib.contextmanager
def _source_tree(what: str) -> Iterator[None]:
    """For imports of `benchmarks`, which is not installed: it lies beside this file."""
    sys.path.append(str(Path(__file__).resolve().parent))
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("benchmarks"):
            raise
        raise InputError(f"{what} is not part of this installation; run it in a source tree") from error


def _exclusive(weights: Path | None, run: str | None) -> None:
    if weights is not None and run is not None:
        raise InputError(f"--weights '{weights}' and --run '{run}' exclude each other; give one")


def split_arguments(arguments: list[str]) -> tuple[str | None, list[str]]:
    """`[CONFIG] [key=value ...]` to the settings file, None if there is none, and the overrides. An InputError where a
    second word is not a setting."""
    overrides = [word for word in arguments if "=" in word]
    configs = [word for word in arguments if "=" not in word]
    if len(configs) > 1:
        fault = f"'{configs[1]}' is not a setting of the form key=value"
        raise InputError(f"{fault}, and the settings file is '{configs[0]}' already")
    return (configs[0] if configs else None), overrides


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code (2: the input was wrong, said in one sentence)."""
    words = [_with_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    if arguments is None:
        remember_program()
    try:
        with safe_streams():
            return _obey(words)
    except OSError as error:  # of an output; files are checked where they are used
        where = f"'{error.filename}'" if error.filename else "an output"
        return _refuse(f"{where} cannot be used ({error.strerror or error}); make room, or name another place", 2)


def _obey(words: list[str]) -> int:
    try:
        if words == ["uci"]:  # programs wait for `uciok`: skip even the parsing
            return uci()
        return int(app(words or ["--help"], prog_name="zeromass", standalone_mode=False) or 0)
    except InputError as error:
        return _refuse(str(error), 2)
    except typer.Abort:
        return _refuse("aborted", 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0  # the reader has gone, as with `| head`
    except typer.exceptions.TyperException as error:
        return _refuse(_usage_sentence(error), 2)


def _with_home(word: str) -> str:
    """`run.folder=~/x` and `--pgn=~/x` with the home folder, which shells put in at the start of words alone."""
    key, _, value = word.partition("=")
    return f"{key}={typed_path(value)}" if value.startswith("~") else word


def _usage_sentence(error: Exception) -> str:
    """Typer's usage error on one line, with the value that it forgets to quote."""
    from pydantic import ValidationError  # Typer checks values with it, so it is loaded

    message = " ".join(str(getattr(error, "format_message", error.__str__)()).split()).rstrip(".")
    cause = error.__cause__
    got = f"got {cause.errors()[0]['input']!r}; " if isinstance(cause, ValidationError) else ""
    return f"{message.replace('Value error, ', '')} ({got}see {program()} --help)"


def _refuse(sentence: str, code: int) -> int:
    with contextlib.suppress(OSError):  # nobody reads it
        print(f"zeromass: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
