"""Other people's UCI engines: found and started, or refused with one sentence.

Whoever starts an engine must end it with `close_engine`: its thread keeps the interpreter from ending.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import chess.engine

from agent.errors import InputError

# Where Debian puts games, which is not on everybody's PATH.
_FOLDERS: Final = ("/usr/games", "/usr/local/games")
_PATIENCE: Final = 30.0


def find_engine(program: str) -> str:
    """Path of an engine.

    Raises:
        InputError: it is not on PATH, nor where Debian keeps games.
    """
    found = shutil.which(program) or shutil.which(program, path=os.pathsep.join(_FOLDERS))
    if found is None:
        advice = "install it (Debian: apt-get install stockfish)" if program == "stockfish" else "give its full path"
        raise InputError(f"engine '{program}' is not on PATH; {advice}")
    return found


def start_engine(
    command: Sequence[str], options: Mapping[str, bool | int | str] | None = None
) -> chess.engine.SimpleEngine:
    """Start an engine with `options` by UCI name; Threads is 1 unless given.

    Raises:
        InputError: it is not there, does not start, does not speak UCI, or refuses an option.
    """
    if not command:
        raise InputError("engine '' names no command; give one such as stockfish")
    words = [find_engine(command[0]), *command[1:]]
    try:
        engine = chess.engine.SimpleEngine.popen_uci(words, timeout=_PATIENCE)
    except (OSError, chess.engine.EngineError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"engine '{command[0]}' does not start as a UCI engine ({reason}); try another") from error
    try:
        single = {"Threads": 1} if "Threads" in engine.options else {}
        engine.configure({**single, **(options or {})})
    except chess.engine.EngineError as error:
        close_engine(engine)
        raise InputError(f"engine '{command[0]}' refuses its options {dict(options or {})}: {error}") from error
    return engine


def close_engine(engine: chess.engine.SimpleEngine) -> None:
    """End an engine's process, whatever state it is in."""
    with suppress(chess.engine.EngineError, TimeoutError):
        engine.close()
