"""The error for bad input by the user, and what of a file may reach a terminal."""


def printable(text: str) -> str:
    """`text` as one line without control characters, which could steer a terminal: these are escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in " ".join(text.split()))


class InputError(ValueError):
    """Bad input: a setting, a FEN, a move, a file, a port. The message is one sentence that quotes the offending value
    and says what to do. The command line prints it without a traceback and exits with code 2. Whatever it quotes, it
    stays one line that can be printed."""

    def __str__(self) -> str:
        line = printable(super().__str__())
        return line if len(line) <= 600 else f"{line[:400]} ... {line[-150:]}"
