"""A thought of the agent in plain words."""

from agent.engine.report import Report


def thought_lines(report: Report) -> str:
    """A thought as plain text: one move a line with prior, visits, value; the lines as squares."""
    rows = [
        f"{line.move.uci():5} prior {100 * line.prior:5.1f} %  visits {line.visits:6}  value {line.score:+.2f}  "
        f"{' '.join(move.uci() for move in line.moves[1:6])}".rstrip()
        for line in report.lines
    ]
    wdl = report.best.wdl
    told = "" if wdl is None else f"win {wdl[0] / 10:.1f} %, draw {wdl[1] / 10:.1f} %, loss {wdl[2] / 10:.1f} %; "
    return "\n".join([f"{told}{report.simulations} simulations, {report.speed:,.0f} a second", *rows])


def expected(score: float, whom: str = "the agent") -> str:
    """A score -1..1 in brackets, behind a move."""
    return f" (expected score {round(score, 2) + 0.0:+.2f} for {whom})"
