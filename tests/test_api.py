"""The library from Python: every example of docs/api.md and docs/environment.md, and what it says of errors."""

import re
from pathlib import Path

import chess
import numpy as np
import pytest
import torch
from chess.engine import Limit, Mate

from agent import rules, vocabulary
from agent.api import Engine, Model, load
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


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module", params=["sparse", "residual"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    if request.param == "sparse":
        return load()
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, ResidualNetwork(ResidualArchitecture(blocks=1, channels=8)), {})
    return load(str(path))


@pytest.mark.parametrize("example", EXAMPLES, ids=[re.findall(r"\w+", one.splitlines()[-1])[0] for one in EXAMPLES])
def test_every_example_of_the_guide_runs(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for word, library in (("agent.env", "gymnasium"), ("agent.env.zoo", "pettingzoo"), ("onnx", "onnxruntime")):
        if word in example:
            pytest.importorskip(library, reason=f"{library} is not installed (extras rl, onnx)")
    monkeypatch.chdir(tmp_path)
    assert len(EXAMPLES) >= 10
    exec(compile(example, "docs", "exec"), {"__name__": "example"})


def test_evaluation_is_the_networks_over_exactly_the_legal_moves(network: Model) -> None:
    boards = [chess.Board(fen) for fen in FENS]
    found = network.evaluate(boards)
    for row, board in enumerate(boards):
        moves = found.moves(row)
        assert set(moves) == set(board.legal_moves)
        assert list(moves.values()) == sorted(moves.values(), reverse=True)
        with torch.inference_mode():
            logits, values = network.network.dense(rules.from_board(board)[None])
        lanes = [vocabulary.from_uci(move.uci(), black=not board.turn) for move in moves]
        expected = logits[0, lanes].double().softmax(0)
        np.testing.assert_allclose(list(moves.values()), expected, atol=1e-6)
        np.testing.assert_allclose(found.wdl[row], values[0].softmax(0), atol=1e-6)
        assert np.count_nonzero(np.delete(found.policy[row], lanes)) == 0
    many = network.evaluate(np.repeat(found.positions, 400, axis=0))  # more than one batch
    np.testing.assert_allclose(many.policy, np.repeat(found.policy, 400, axis=0), atol=1e-6)
    np.testing.assert_array_equal(network.evaluate(FENS[0]).positions, found.positions[:1])
    assert network.evaluate([]).policy.shape == (0, 1880)
    assert network.evaluate("7k/6Q1/5K2/8/8/8/8/8 b - - 0 1").policy.max() == 0.0


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("nonsense", "FEN 'nonsense' cannot be read"),
        ("8/8/8/8/8/8/8/8 w - - 0 1", "White has no king"),
        (chess.Board(None), "is impossible"),
        (np.zeros((2, 7), np.uint64), r"must have the shape \[B, 8\]"),
        (np.zeros((2, 8), np.int64), "must be a uint64 array"),
    ],
)
def test_impossible_positions_are_value_errors(network: Model, bad: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        network.evaluate(bad)
    with pytest.raises(ValueError, match="does not exist"):
        load("none.safetensors")


def test_engine_finds_mates_for_either_side_and_scores_them_as_python_chess_does(engine: Engine) -> None:
    for mirrored in (False, True):
        board = chess.Board("6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1")
        board = board.mirror() if mirrored else board
        played = engine.play(board, Limit(nodes=3000), game=mirrored)
        assert played.info["score"].relative == Mate(1)
        assert played.info["score"].white() == Mate(-1 if mirrored else 1)
        assert played.info["wdl"].relative.wins == 1000
        board.push(played.move or chess.Move.null())
        assert board.is_checkmate()
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


@pytest.mark.parametrize(
    ("fen", "limit", "more", "sentence"),
    [
        ("7k/6Q1/5K2/8/8/8/8/8 b - - 0 1", Limit(nodes=1), {}, "no legal move in '7k/6Q1/5K2/8/8/8/8/8 b - - 0 1'"),
        (FENS[0], Limit(), {}, "sets no end"),
        (FENS[0], Limit(black_clock=1), {}, "sets no end"),
        (FENS[0], Limit(nodes=1), {"root_moves": [chess.Move.from_uci("e2e5")]}, "root move e2e5 is not legal"),
        (FENS[0], Limit(nodes=1), {"multipv": 0}, "multipv 0"),
        ("8/8/8/8/8/8/8/KK5k w - - 0 1", Limit(nodes=1), {}, "is impossible: there are too many kings"),
    ],
)
def test_what_cannot_be_searched_is_a_value_error(
    engine: Engine, fen: str, limit: Limit, more: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        engine.analyse(chess.Board(fen), limit, **more)  # type: ignore[call-overload]


def test_a_new_game_forgets_the_last(engine: Engine) -> None:
    depths = [
        engine.play(chess.Board(), Limit(nodes=nodes), game=game).info["depth"]
        for nodes, game in ((20_000, "a"), (300, "a"), (300, "b"))
    ]
    assert depths[1] > depths[2]
