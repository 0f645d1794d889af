"""What is shown beside the board: the players, the agent's report, the moves."""

import chess
from rich.table import Table
from rich.text import Text

from agent.engine.report import Report
from agent.notation import sans
from agent.play.game import Game

_BAR = 40  # cells of a bar where there is room


def player_line(game: Game, color: chess.Color, name: str, width: int, *, figurines: bool) -> Text:
    """A player in `width` cells: whose turn, name (it gets what the others leave), clock, captured pieces and lead."""
    turn = "▶ " if game.board.turn == color and not game.over else "  "
    captured = game.captured(not color)
    shown = "".join(chess.UNICODE_PIECE_SYMBOLS[symbol] for symbol in captured) if figurines else captured
    lead = game.lead(color)
    left = game.seconds_left(color)
    tenths = int(10 * max(left or 0.0, 0.0))
    clock = "" if left is None else f"  {tenths // 600}:{tenths % 600 / 10:04.1f}"
    taken = f"  {shown}{f' +{lead}' if lead > 0 else ''}"
    room = max(width - len(turn + clock + taken.rstrip()), 8)
    text = Text(turn, style="bold")
    text.append(name if len(name) <= room else f"{name[: room - 1]}…")
    text.append(clock, style="bold cyan")
    text.append(taken, style="dim")
    return text


def score_bar(report: Report | None, mover: chess.Color, width: int = _BAR) -> Text:
    """Win, draw and loss for White as a bar; from the expected score alone where the network gives no more."""
    if report is None:
        return Text("no report yet", style="dim")
    line = report.best
    wdl = line.wdl or (round(500 * (1 + line.score)), 0, 1000 - round(500 * (1 + line.score)))
    win, draw, loss = wdl if mover == chess.WHITE else (wdl[2], wdl[1], wdl[0])
    whites, draws, blacks = apportion((win, draw, loss), min(width, _BAR))
    text = Text("█" * whites, style="#f0f0f0")
    text.append("▒" * draws, style="#909090")
    text.append("░" * blacks, style="#505050")
    white, drawn, black = apportion((win, draw, loss), 100)
    text.append(f"\nWhite {white} %, draw {drawn} %, Black {black} %")
    return text


def report_table(report: Report | None, board: chess.Board) -> Table | Text:
    """The best moves with prior, nodes, value and the line in SAN; `board` is the position searched."""
    if report is None:
        return Text("")
    title = f"{report.nodes:,} at {report.speed:,.0f}/s, depth {report.depth:.0f} to {report.deepest}"
    table = Table(title=title, title_justify="left", expand=True, box=None, padding=(0, 1, 0, 0))
    table.add_column("move", no_wrap=True)
    for name in ("prior", "nodes", "value"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("line", ratio=1, no_wrap=True, overflow="ellipsis")
    for line in report.lines:
        words = sans(board, line.moves[:7])
        table.add_row(words[0], f"{100 * line.prior:.0f} %", str(line.nodes), line.value, " ".join(words[1:]))
    return table


def move_list(game: Game) -> Text:
    """The moves in two columns, the newest last."""
    board, text = game.start.copy(), Text()
    for move in game.board.move_stack[len(game.board.move_stack) - len(game.notes) :]:
        if board.turn == chess.WHITE:
            text.append(f"{board.fullmove_number:>3}. {board.san(move):<8}")
        else:
            text.append(f"{board.fullmove_number:>3}. {'...':<8}" if not text.plain else "")
            text.append(f"{board.san(move):<8}\n")
        board.push(move)
    if game.over:
        text.append(f"\n{game.result}  {game.reason}", style="bold")
    return text


def apportion(parts: tuple[int, ...], total: int) -> list[int]:
    """`total` in whole numbers that sum to it, as `parts` are to each other; by largest remainders."""
    whole = sum(parts)
    places = sorted(range(len(parts)), key=lambda place: -(parts[place] * total % whole))
    more = places[: total - sum(part * total // whole for part in parts)]
    return [part * total // whole + (place in more) for place, part in enumerate(parts)]
