"""The error for bad input by the user."""


class InputError(ValueError):
    """Bad input: a setting, a FEN, a move, a file, a port.

    The message is one sentence that quotes the offending value and says what to do. The command line
    prints it without a traceback and exits with code 2.
    """
