"""One number that changes only when the search or the evaluation changes: `zeromass benchmark signature`. It is the
nodes that principal-variation search with the bundled weights needs to reach a fixed depth in a few varied positions,
each with an empty table. A change that is meant to leave the moves alone, as one of speed, leaves it too."""

from typing import Final

import chess
from rich.table import Table

from agent.networks.bundled import find_weights
from agent.networks.contract import CompiledEvaluator
from agent.rules import Games
from agent.search.pvs.search import PrincipalVariationSearch
from agent.search.thinking import RootOptions
from benchmarks.measuring import Figures, Found, Progress, table

DEPTH: Final = 8
MEGABYTES: Final = 16
POSITIONS: Final = {
    "start": chess.STARTING_FEN,
    "open game": "r1bqk1nr/pppp1ppp/2n5/2b1p3/2B1P3/2N2N2/PPPP1PPP/R1BQK2R b KQkq - 5 4",
    "closed centre": "r1bq1rk1/ppp1npbp/3p1np1/3Pp3/2P1P3/2N2N2/PP2BPPP/R1BQ1RK1 w - - 1 9",
    "isolated pawn": "r1bq1rk1/pp2bppp/2n1pn2/8/2BP4/P1N2N2/1P3PPP/R1BQ1RK1 b - - 0 10",
    "castling either side": "r3k2r/pppqbppp/2npbn2/4p3/4P3/2NPBN2/PPPQBPPP/R3K2R w KQkq - 4 9",
    "attack on the king": "r1b2rk1/pp1nqp1p/2p1p1p1/3n4/3PN2Q/3B1N2/PP3PPP/R4RK1 w - - 2 16",
    "pinned knight": "rn1qkb1r/pp2pppp/2p2n2/5b2/P1pP4/2N2N2/1P2PPPP/R1BQKB1R w KQkq - 1 6",
    "hanging pieces": "r2q1rk1/1b3ppp/p1nbpn2/1p6/3P4/PB3N2/1P2QPPP/RNBR2K1 w - - 0 15",
    "in check": "rnbqk2r/pppp1ppp/5n2/4p3/1b2P3/3P1N2/PPP2PPP/RNBQKB1R w KQkq - 1 4",
    "both kings open": "r1bqk2r/pppp1Npp/8/2b1n3/4n3/8/PPPPQPPP/RNB1KB1R b KQkq - 0 7",
    "en passant": "8/2p2k2/3p4/KP5r/1R2Pp1P/8/6P1/8 b - e3 0 1",
    "promotions": "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",
    "passed pawn": "8/5pk1/1P4p1/7p/3r3P/6P1/1R3PK1/8 w - - 3 41",
    "queen ending": "8/1Q3pk1/6p1/3p3p/7P/2q3P1/5PK1/8 b - - 7 44",
    "rook ending": "1r4k1/5pp1/p6p/2R5/8/1P4P1/P4P1P/6K1 w - - 0 31",
    "bishops of one colour": "8/3b1kp1/p3p2p/1p1pP3/3P1P2/1P1B2KP/P7/8 w - - 0 36",
    "pawn ending": "8/pp3k2/2p2p2/3p1P2/3P2K1/1P6/P1P5/8 w - - 0 35",
    "zugzwang": "8/8/p1p5/1p5p/1P5p/8/PPP2K1p/4R1rk w - - 0 1",
    "near mate": "r1b1kb1r/pppp1ppp/5q2/4n3/3KP3/2N3PN/PPP4P/R1BQ1B1R b kq - 0 1",
    "near fifty moves": "8/8/4k3/3rn3/8/3RK3/8/8 w - - 96 140",
}


def nodes_to(search: PrincipalVariationSearch, fen: str, depth: int) -> int:
    """Nodes until `depth` is finished, to the node: coarse steps first, then single ones from the last of them on."""
    games, before = Games.from_boards([chess.Board(fen)]), 0
    for step in (1000, 1):
        search.resize(MEGABYTES)
        search.begin(games, RootOptions())
        search.run(before)
        while search.depth < depth:
            before = search.nodes
            if not search.run(step):
                break  # a mate is proven
    return search.nodes


def run(*, depth: int = DEPTH, progress: Progress = lambda line: None) -> Found:
    evaluator, figures, total = find_weights().weights.for_search(), Figures(), 0
    assert isinstance(evaluator, CompiledEvaluator)
    search = PrincipalVariationSearch(evaluator, MEGABYTES)
    progress(f"{len(POSITIONS)} positions to depth {depth} ...")
    for name, fen in POSITIONS.items():
        nodes = nodes_to(search, fen, depth)
        total += nodes
        figures.add(name, "nodes", [nodes], "nodes", fen=fen)
    figures.add("signature", "nodes", [total], "nodes")
    return figures.found


def show(found: Found) -> list[Table | str]:
    return [table(found, f"Nodes to depth {DEPTH}", "position"), f"signature {found['results'][-1]['value']}"]
