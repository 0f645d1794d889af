"""UCI lines: reading `position` and `go`, writing `info` and `bestmove`. Light: no NumPy."""

import itertools
import re

import chess

from agent.engine.limits import Clock, Limits
from agent.engine.report import Line, Report, centipawns
from agent.errors import InputError
from agent.notation import quote, read_fen

_COMMANDS = (
    *("uci", "debug", "isready", "setoption", "register", "ucinewgame"),
    *("position", "go", "stop", "ponderhit", "quit"),
)
_NUMBERS = ("wtime", "btime", "winc", "binc", "movestogo", "movetime", "nodes", "depth", "mate", "perft")
_FLAGS = ("infinite", "ponder", "searchmoves")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_MOVE = re.compile(r"([a-h][1-8])(?!\1)[a-h][1-8][qrbn]?")
_LONGEST = 10**9  # numbers are cut to this: milliseconds of 11 days


def read_command(line: str) -> tuple[str, str]:
    """The command of a line and what follows it; unknown words before it are skipped, as the protocol asks. Where there
    is none: the first word and the rest."""
    place = next((at for at, word in enumerate(line.split()) if word in _COMMANDS), 0)
    words = [*line.split(maxsplit=place + 1), "", ""][place:]
    return words[0], words[1].strip()


def read_position(arguments: str, before: str = "", known: chess.Board | None = None) -> chess.Board:
    """What follows `position`: `startpos` or `fen FEN`, then possibly `moves ...`. Where it goes on from the position
    `before`, which was read as `known`, only the new moves are read: a program sends the whole game for every move.
    Raises InputError: the FEN is unreadable or a move is illegal, quoted."""
    if known is not None and " moves " in before and arguments.startswith(f"{before} "):
        board, moves = known.copy(), arguments[len(before) :].split()
    else:
        board, moves = _start(arguments)
    for text in moves:
        number = len(board.move_stack) + 1
        try:
            move = board.parse_uci(text)
        except ValueError as error:
            raise InputError(f"move {number} {quote(text)} is not legal in '{board.fen()}'") from error
        if not move:
            raise InputError(f"move {number} {quote(text)} is no move")
        board.push(move)
    return board


def _start(arguments: str) -> tuple[chess.Board, list[str]]:
    """The position before the moves, and the moves."""
    words = arguments.split()
    while words and words[0] not in ("startpos", "fen"):
        del words[0]
    cut = words.index("moves") if "moves" in words else len(words)
    kind, fen, moves = words[:1], " ".join(words[1:cut]), words[cut + 1 :]
    if kind == ["startpos"]:
        return chess.Board(), moves
    if kind == ["fen"]:
        return read_fen(fen), moves
    raise InputError(f"position {quote(arguments)} has neither startpos nor fen")


def read_go(arguments: str, turn: chess.Color) -> Limits:
    """What follows `go`, for the side `turn`. Malformed numbers and unknown words are ignored. Times are seconds in
    `Limits`, milliseconds on the line; negative ones, which some programs send, count as 0."""
    words, numbers = arguments.split(), dict[str, int]()
    for word, behind in itertools.pairwise(words):
        if word in _NUMBERS and _NUMBER.fullmatch(behind):
            numbers[word] = min(max(int(behind), 0), _LONGEST)
    behind_it = words[words.index("searchmoves") + 1 :] if "searchmoves" in words else []
    moves = itertools.takewhile(lambda word: word not in (*_NUMBERS, *_FLAGS), behind_it)
    own, increment = ("wtime", "winc") if turn == chess.WHITE else ("btime", "binc")
    left, more = numbers.get(own, 0) / 1000, numbers.get(increment, 0) / 1000
    return Limits(
        nodes=max(numbers["nodes"], 1) if "nodes" in numbers else None,
        seconds=numbers["movetime"] / 1000 if "movetime" in numbers else None,
        clock=Clock(left, more, numbers.get("movestogo") or None) if own in numbers else None,
        depth=numbers.get("depth") or None,
        mate=numbers.get("mate") or None,
        ponder="ponder" in words,
        infinite="infinite" in words,
        moves=tuple(filter(_MOVE.fullmatch, moves)),
    )


def info_lines(report: Report, *, show_wdl: bool) -> list[str]:
    """The `info` lines of a report, one for each of its lines."""
    full, milliseconds = round(1000 * min(report.full, 1.0)), round(1000 * report.seconds)
    counts = f"nodes {report.nodes} nps {round(report.speed)} hashfull {full} time {milliseconds}"
    depth = max(1, int(report.depth))
    return [
        f"info depth {depth} seldepth {max(report.deepest, depth)} multipv {place} {score_of(line, show_wdl)} {counts} "
        f"pv {' '.join(move.uci() for move in line.moves)}"
        for place, line in enumerate(report.lines, 1)
    ]


def score_of(line: Line, show_wdl: bool) -> str:
    """`score cp X` or `score mate X`, with `wdl W D L` where it is known and wanted."""
    mate = line.mate_in
    score = f"score cp {centipawns(line.score)}" if mate is None else f"score mate {mate}"
    wdl = line.wdl if show_wdl else None
    return score if wdl is None else f"{score} wdl {wdl[0]} {wdl[1]} {wdl[2]}"


def bestmove(report: Report) -> str:
    """The `bestmove` line, with the expected reply."""
    moves = report.best.moves
    return f"bestmove {moves[0].uci()}" + (f" ponder {moves[1].uci()}" if len(moves) > 1 else "")
