"""What the page shows, as JSON: the game, a report of the search. Values and chances are White's everywhere."""

import re
from collections.abc import Mapping
from typing import Any, Final

import chess

from agent.engine.report import Report
from agent.notation import sans
from agent.play.judge import Judged
from agent.play.session import Session

_VALUE: Final = re.compile(r"(?:score|value before) ([+-][0-9]\.[0-9]+)")
_LINE: Final = 6  # moves of a line that are shown


def game_state(session: Session, judged: Mapping[int, Judged]) -> dict[str, Any]:
    """All of the game. `judged` has verdicts by ply, counted from 1."""
    game, board = session.game, session.board
    return {
        "start": game.start.fen(),
        "plies": _plies(session, judged),
        "turn": "bw"[board.turn],
        "legal": [] if game.over else [move.uci() for move in board.legal_moves],
        "sides": {"bw"[color]: _side(session, color) for color in chess.COLORS},
        "result": game.result,
        "reason": game.reason,
        "flipped": session.flipped,
        "level": str(session.level),
        "pgn": str(game.to_pgn(session.names, session.sides)),
    }


def _plies(session: Session, judged: Mapping[int, Judged]) -> list[dict[str, Any]]:
    """Each ply: SAN, UCI, the position after it, White's expected score where it is known, and the verdict."""
    game, after, plies = session.game, session.game.start.copy(stack=False), []
    first = len(game.board.move_stack) - len(game.notes)
    for number, (move, note) in enumerate(zip(game.board.move_stack[first:], game.notes, strict=True), 1):
        found, white = _VALUE.search(note), after.turn == chess.WHITE
        ply: dict[str, Any] = {"san": after.san(move), "uci": move.uci(), "number": after.fullmove_number}
        ply |= {"white": white, "value": (float(found[1]) if white else -float(found[1])) if found else None}
        after.push(move)
        ply |= {"fen": after.fen(), "check": after.is_check()}
        if (verdict := judged.get(number)) is not None:
            ply |= {"value": verdict.white_value, "verdict": verdict.verdict, "lost": round(verdict.lost, 3)}
            ply["better"] = " ".join(verdict.best_sans[:_LINE]) if verdict.lost >= 0.02 else ""
        plies.append(ply)
    return plies


def _side(session: Session, color: chess.Color) -> dict[str, Any]:
    game = session.game
    return {"name": session.label(color), "person": session.sides[color] is None, "seconds": game.seconds_left(color)}


def report_state(report: Report, board: chess.Board) -> dict[str, Any]:
    """What a search of `board` has found so far."""
    wdl = report.best.wdl or (round(500 * (1 + report.best.score)), 0, 1000 - round(500 * (1 + report.best.score)))
    return {
        **{name: getattr(report, name) for name in ("nodes", "speed", "depth", "deepest")},
        "wdl": wdl if board.turn == chess.WHITE else wdl[::-1],
        "lines": [
            {"sans": sans(board, line.moves[:_LINE]), "uci": line.move.uci()}
            | {"prior": line.prior, "nodes": line.nodes, "value": line.value}
            for line in report.lines
        ],
        "searched": {move.uci(): nodes for move, nodes in report.searched},
    }
