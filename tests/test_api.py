"""The library from Python: every example of docs/api.md and docs/environment.md, and what it says of errors."""

import re
from collections.abc import Callable
from pathlib import Path

import chess
import numpy as np
import pytest
import torch
from chess.engine import Limit, Mate

from agent import rules, vocabulary
from agent.api import Engine, load
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.weights import save_weights

ROOT = Path(__file__).resolve().parent.parent
PAGES = "".join((ROOT / "docs" / page).read_text() for page in ("api.md", "environment.md"))
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGES, re.M | re.S)
FENS = (
    chess.STARTING_FEN,
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R b KQkq - 0 1",
    "8/P6k/8/8/8/8/6pK/8 b - - 0 1",
)
MATE = "7k/6Q1/5K2/8/8/8/8/8 b - - 0 1"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.mark.parametrize("example", EXAMPLES, ids=[re.findall(r"\w+", one.splitlines()[-1])[0] for one in EXAMPLES])
def test_every_example_of_the_guide_runs(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(EXAMPLES) >= 10
    exec(compile(example, "docs", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("kind", ["sparse", "residual"])
def test_evaluation_is_the_networks_over_exactly_the_legal_moves(kind: str, tmp_path: Path) -> None:
    save_weights(tmp_path / "small", ResidualNetwork(ResidualArchitecture(blocks=1, channels=8)), {})
    network, boards = load(tmp_path / "small" if kind == "residual" else None), [chess.Board(fen) for fen in FENS]
    found = network.evaluate(boards)
    for row, board in enumerate(boards):
        moves = found.moves(row)
        assert set(moves) == set(board.legal_moves)
        assert list(moves.values()) == sorted(moves.values(), reverse=True)
        with torch.inference_mode():
            logits, values = network.network.dense(rules.from_board(board)[None])
        lanes = [vocabulary.from_uci(move.uci(), black=not board.turn) for move in moves]
        np.testing.assert_allclose(list(moves.values()), logits[0, lanes].double().softmax(0), atol=1e-6)
        np.testing.assert_allclose(found.wdl[row], values[0].softmax(0), atol=1e-6)
        assert not np.delete(found.policy[row], lanes).any()
    many = network.evaluate(np.repeat(found.positions, 400, axis=0))  # more than one batch
    np.testing.assert_allclose(many.policy, np.repeat(found.policy, 400, axis=0), atol=1e-6)
    np.testing.assert_array_equal(network.evaluate(FENS[0]).positions, found.positions[:1])
    assert network.evaluate([]).policy.shape == (0, 1880)
    assert not network.evaluate(MATE).policy.any()


def test_engine_finds_mates_for_either_side_and_scores_them_as_python_chess_does(engine: Engine) -> None:
    board = chess.Board("6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1")
    for one, white in ((board, Mate(1)), (board.mirror(), Mate(-1))):
        played = engine.play(one, Limit(nodes=3000), game=white)
        assert (played.info["score"].white(), played.info["wdl"].relative.wins) == (white, 1000)
        one.push(played.move or chess.Move.null())
        assert one.is_checkmate()
    lost = engine.analyse(chess.Board("k7/8/1K6/8/8/8/8/7R b - - 0 1"), Limit(nodes=3000))
    assert lost["score"].relative == Mate(-1)


def test_lines_are_legal_the_best_first_and_kept_to_the_root_moves(engine: Engine) -> None:
    board = chess.Board(FENS[1])
    lines = engine.analyse(board, Limit(depth=4), multipv=4)
    assert len({line["pv"][0] for line in lines}) == 4
    scores = [line["score"].relative for line in lines]
    assert scores == sorted(scores, reverse=True)
    for number, line in enumerate(lines, 1):
        board.variation_san(line["pv"])  # a ValueError where a move is illegal
        assert line["multipv"] == number
        assert line["depth"] >= 4
    only = list(board.legal_moves)[5:7]
    assert engine.play(board, Limit(white_clock=0.1, black_clock=0.1), root_moves=only).move in only


def test_a_new_game_forgets_the_last(engine: Engine) -> None:
    searches = ((50_000, "a"), (2000, "a"), (2000, "b"), (2000, "c"))
    found = (engine.play(chess.Board(), Limit(nodes=nodes), game=game).info for nodes, game in searches)
    _, same, new, other = ([info[key] for key in ("depth", "seldepth", "score", "pv")] for info in found)
    assert same != new == other


def test_mistakes_are_value_errors(engine: Engine) -> None:
    network, board, one = load(), chess.Board(), Limit(nodes=1)
    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("FEN 'nonsense' cannot be read", lambda: network.evaluate("nonsense")),
        ("White has no king", lambda: network.evaluate("8/8/8/8/8/8/8/8 w - - 0 1")),
        ("is impossible", lambda: network.evaluate(chess.Board(None))),
        (r"must have the shape \[B, 8\]", lambda: network.evaluate(np.zeros((2, 7), np.uint64))),
        ("must be a uint64 array", lambda: network.evaluate(np.zeros((2, 8), np.int64))),
        ("does not exist", lambda: load("none.safetensors")),
        (f"no legal move in '{MATE}'", lambda: engine.analyse(chess.Board(MATE), one)),
        ("sets no end", lambda: engine.play(board, Limit())),
        ("sets no end", lambda: engine.play(board, Limit(black_clock=1))),
        ("root move e2e5 is not legal", lambda: engine.play(board, one, root_moves=[chess.Move.from_uci("e2e5")])),
        ("multipv 0", lambda: engine.analyse(board, one, multipv=0)),
        ("are too many kings", lambda: engine.analyse(chess.Board("8/8/8/8/8/8/8/KK5k w - - 0 1"), one)),
    )
    for sentence, call in calls:
        with pytest.raises(ValueError, match=sentence):
            call()
