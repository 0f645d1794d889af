"""A player under time control: legal moves for both colours, mates seen, and every game thought about."""

import chess
import numpy as np

from agent import vocabulary
from agent.engine.thinker import Thinker
from agent.engine.timed import TimedPlayer
from agent.rules import Games
from agent.search.compiled import material_evaluator


def test_every_game_is_thought_about_for_both_colours() -> None:
    fens = ["6k1/5ppp/8/8/8/8/8/R6K w - - 0 1", "r6k/8/8/8/8/8/5PPP/6K1 b - - 0 1", chess.STARTING_FEN]
    player = TimedPlayer(Thinker(material_evaluator(), megabytes=16), 0.02)
    choice = player.choose(Games.from_boards([chess.Board(fen) for fen in fens]))
    assert [vocabulary.to_uci(int(choice.moves[row]), black=row == 1) for row in (0, 1)] == ["a1a8", "a8a1"]
    assert chess.Move.from_uci(vocabulary.to_uci(int(choice.moves[2]), black=False)) in chess.Board().legal_moves
    assert np.allclose(choice.values[:2], 1)
    assert player.moves == 3
    assert player.nodes > 0


def test_a_draw_by_repetition_is_seen_though_it_stands_in_the_history_alone() -> None:
    board = chess.Board("k7/8/8/8/8/q7/7K/8 w - - 0 1")
    for san in ("Kg1", "Kb8", "Kh1", "Ka8", "Kg1", "Kb8", "Kh1", "Ka8"):
        board.push_san(san)
    games = Games.from_boards([board])
    player = TimedPlayer(Thinker(material_evaluator(), megabytes=16), 0.05)
    choice = player.choose(games)
    assert vocabulary.to_uci(int(choice.moves[0]), black=False) == "h1g1"  # for the third time: the queen wins nothing
    assert abs(float(choice.values[0])) < 0.01
    games.reset(positions=games.positions)
    assert float(player.choose(games).values[0]) < -0.1
