"""Players: legal always; the greedy one takes and mates; the look-ahead sees mates and draws by rule exactly. Moves of
a game are recovered from positions, for an engine."""

import random

import chess
import numpy as np
import pytest

from agent import rules, vocabulary
from agent.players.external import BoardSync
from agent.players.network import LookaheadPlayer, PolicyPlayer, SearchPlayer
from agent.players.player import GreedyPlayer, Player, RandomPlayer, best_in_segments
from agent.rules import Games
from agent.search import SearchSettings
from tests.agent.rules.oracle import push
from tests.agent.search.evaluators import untrained
from tests.tables import table

MATES_IN_ONE = [fen for (fen,) in table("mates_in_one")]


def players() -> list[Player]:
    return [
        RandomPlayer(1),
        GreedyPlayer(1),
        PolicyPlayer(untrained()),
        LookaheadPlayer(untrained()),
        SearchPlayer(untrained(), SearchSettings(simulations=16, gumbel_scale=0)),
    ]


def play_one(player: Player, board: chess.Board) -> str:
    return push(board, player.choose(Games.from_boards([board])).moves[0]).uci()


@pytest.mark.parametrize("player", players(), ids=lambda player: f"{player.name}")
def test_every_move_is_legal_by_python_chess(player: Player) -> None:
    boards = [chess.Board() for _ in range(4)] + [chess.Board(fen) for fen in MATES_IN_ONE]
    for _ in range(40):
        boards = [board for board in boards if not board.is_game_over()]
        if not boards:
            break
        choice = player.choose(Games.from_boards(boards))
        assert choice.values.shape == (len(boards),)
        for board, move in zip(boards, choice.moves.tolist(), strict=True):
            push(board, move)


@pytest.mark.parametrize("fen", MATES_IN_ONE)
@pytest.mark.parametrize("player", [players()[place] for place in (1, 3, 4)], ids=lambda player: f"{player.name}")
def test_mates_in_one_are_played(player: Player, fen: str) -> None:
    for board in (chess.Board(fen), chess.Board(fen).mirror()):
        play_one(player, board)
        assert board.is_checkmate()


@pytest.mark.parametrize(("fen", "best"), table("captures"))
def test_greedy_takes_the_most_it_can(fen: str, best: str) -> None:
    assert {play_one(GreedyPlayer(seed), chess.Board(fen)) for seed in range(5)} == {best}


def test_lookahead_values_are_those_of_the_successors() -> None:
    """Against python-chess and the bare network, move by move."""
    board = chess.Board("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1")
    player = LookaheadPlayer(untrained(), prior_weight=0.0)
    choice = player.choose(Games.from_boards([board]))
    values = {}
    for move in board.legal_moves:
        board.push(move)
        values[move.uci()] = -float(untrained().values(rules.from_board(board)[None])[0])
        board.pop()
    assert float(choice.values[0]) == pytest.approx(max(values.values()), abs=1e-6)
    assert values[vocabulary.to_uci(int(choice.moves[0]), black=False)] == pytest.approx(max(values.values()), abs=1e-6)


def test_lookahead_scores_a_repetition_as_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """White is far ahead by the value head; the third repetition would throw it away."""
    board = chess.Board("7k/8/8/8/8/8/8/KR6 w - - 0 1")
    for uci in ("a1a2", "h8h7", "a2a1", "h7h8", "a1a2", "h8h7", "a2a1", "h7h8", "b1b2", "h8g8", "b2b1", "g8h8"):
        board.push_uci(uci)
    # The position after a1a2 has stood twice already.
    player = LookaheadPlayer(untrained(), prior_weight=0.0)
    repeated = vocabulary.from_uci("a1a2", black=False)

    def winning(positions: np.ndarray) -> np.ndarray:
        """Every position is lost for the side to move by 0.5; after a1a2 by 0.9: the bait."""
        baits = np.array([rules.to_board(position).piece_at(chess.A2) is not None for position in positions])
        return np.where(baits, -0.9, -0.5).astype(np.float32)

    monkeypatch.setattr(player._evaluator, "values", winning)
    assert int(player.choose(Games.from_boards([board])).moves[0]) != repeated
    fresh = chess.Board(board.fen())
    assert int(player.choose(Games.from_boards([fresh])).moves[0]) == repeated


def test_best_in_segments() -> None:
    scores = np.array([1.0, 3.0, 2.0, -5.0, -1.0, -2.0])
    assert best_in_segments(scores, np.array([0, 3, 4, 6])).tolist() == [1, 3, 4]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("fen", [chess.STARTING_FEN, "r3k2r/pPpp1ppp/8/4pP2/8/8/P1PP2PP/R3K2R w KQkq e6 0 3"])
def test_a_game_is_followed_with_all_its_moves(fen: str, seed: int) -> None:
    chance = random.Random(seed)
    board, sync, games = chess.Board(fen), BoardSync(), set[object]()
    while not board.is_game_over() and len(board.move_stack) < 200:
        found = sync.update(chess.Board(board.fen()))
        assert (found.move_stack, found.fen()) == (board.move_stack, board.fen())
        games.add(sync.game)
        move = chance.choice(list(board.legal_moves))
        sync.play(move)
        board.push(move)
        if not board.is_game_over():
            board.push(chance.choice(list(board.legal_moves)))
    assert len(games) == 1
    assert len(board.move_stack) > 20


def test_a_position_that_does_not_follow_is_another_game() -> None:
    sync = BoardSync()
    start = chess.Board()
    assert sync.update(start).move_stack == []
    first = sync.game
    sync.play(chess.Move.from_uci("e2e4"))
    assert sync.update(start).move_stack == []
    assert sync.game is not first
    sync.play(chess.Move.from_uci("e2e4"))
    other = chess.Board("rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 7 2")  # right but for its clock
    assert sync.update(other).move_stack == []
    assert start.move_stack == other.move_stack == []  # what was handed in stays as it was


def test_a_move_that_is_not_legal_is_refused() -> None:
    sync = BoardSync()
    with pytest.raises(ValueError, match="no position"):
        sync.play(chess.Move.from_uci("e2e4"))
    sync.update(chess.Board())
    with pytest.raises(ValueError, match="e2e5 is not legal in"):
        sync.play(chess.Move.from_uci("e2e5"))
