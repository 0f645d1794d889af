"""Analysis as an annotated PGN."""

from typing import Final

import chess
import chess.engine
import chess.pgn

from agent.analysis.analyse import Judged
from agent.engine.report import centipawns

_NAGS: Final = {
    "blunder": chess.pgn.NAG_BLUNDER,
    "mistake": chess.pgn.NAG_MISTAKE,
    "inaccuracy": chess.pgn.NAG_DUBIOUS_MOVE,
}


def annotate(game: chess.pgn.Game, judged: list[Judged], annotator: str) -> None:
    """Write verdicts, values and better lines into `game`; what was there stays."""
    game.headers["Annotator"] = annotator
    by_ply = {move.ply: move for move in judged}
    for ply, node in enumerate(list(game.mainline()), 1):
        move = by_ply.get(ply)
        if move is None:
            continue
        text = f"prior {100 * move.prior:.1f} %, value {move.value:+.2f}"
        if move.verdict:
            node.nags.add(_NAGS[move.verdict])
            text = f"{move.verdict}: {text}, better {move.best_sans[0]}"
        node.comment = f"{node.comment} {text}".strip()
        score = chess.engine.PovScore(chess.engine.Cp(centipawns(move.white_value)), chess.WHITE)
        node.set_eval(score)
        if move.verdict and not node.parent.has_variation(move.best.move):
            branch = node.parent
            for better in move.best.moves[:8]:
                branch = branch.add_variation(better)
