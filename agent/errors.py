"""The error for bad input by the user."""


class InputError(ValueError):
    """Bad input: a setting, a FEN, a move, a file, a port. The message is one sentence that quotes the offending value
    and says what to do. The command line prints it without a traceback and exits with code 2. Whatever it quotes, it
    stays one line that can be printed."""

    def __str__(self) -> str:
        line = " ".join(super().__str__().split())
        line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
        return line if len(line) <= 600 else f"{line[:400]} ... {line[-150:]}"
