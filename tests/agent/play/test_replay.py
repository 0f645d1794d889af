"""A saved game is played again, move for move; other weights and changed moves are told."""

import io
from pathlib import Path

import chess
import chess.pgn
import numpy as np
import pytest

from agent.engine.limits import Limits
from agent.engine.thinker import Thinker
from agent.errors import InputError
from agent.opponent import Opponent
from agent.play.provenance import Source, note, read_source, simulations_of, write_source
from agent.play.replay import read_games, replay_game
from agent.player import GreedyPlayer, SearchPlayer
from agent.search import GumbelSearch, material_evaluator, playing
from training.match import play_match
from training.match_pgn import MatchRecorder

ME = "sha256:0123 run x"


@pytest.fixture(scope="module")
def opponent() -> Opponent:
    return Opponent(Thinker(material_evaluator(), megabytes=16), "material", identity=ME)


def saved_game(opponent: Opponent, temperature: float) -> chess.pgn.Game:
    game = chess.pgn.Game()
    board, node = chess.Board(), game
    for ply in range(24):
        thought = opponent.think(board, Limits(simulations=20 + ply), temperature=temperature, seed=7)
        node = node.add_variation(thought.best.move, comment=note(thought.best.score, 20 + ply))  # type: ignore[assignment]
        board.push(thought.best.move)
    for color in chess.COLORS:
        write_source(game, color, Source(ME, temperature=temperature, seed=7))
    read = chess.pgn.read_game(io.StringIO(str(game)))
    assert read is not None
    return read


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_every_move_is_found_again_from_the_file_alone(opponent: Opponent, temperature: float) -> None:
    done = replay_game(saved_game(opponent, temperature), opponent)
    assert (done.moves, done.untold, done.differences) == (24, 0, ())


def test_a_changed_move_is_named(opponent: Opponent) -> None:
    game = saved_game(opponent, 0.0)
    node = game.next()
    assert node is not None
    found = node.san()
    other = next(move for move in game.board().legal_moves if move != node.move)
    changed = chess.pgn.Game(headers=game.headers)
    changed.add_variation(other, comment=node.comment)
    (difference,) = replay_game(changed, opponent).differences
    assert (difference.ply, difference.played, difference.now) == (1, f"1. {game.board().san(other)}", found)


def test_other_weights_and_games_without_them_are_refused(opponent: Opponent) -> None:
    other = Opponent(Thinker(material_evaluator(), megabytes=16), "other", identity="sha256:ffff")
    with pytest.raises(InputError, match="played with sha256:0123 run x, not sha256:ffff"):
        replay_game(saved_game(opponent, 0.0), other)
    with pytest.raises(InputError, match="does not say which weights"):
        replay_game(chess.pgn.Game(), opponent)


def test_moves_that_tell_no_simulations_are_counted(opponent: Opponent) -> None:
    game = saved_game(opponent, 0.0)
    last = game.end()
    last.comment = "a fine move"
    assert replay_game(game, opponent).untold == 1


def test_match_games_are_replayed(opponent: Opponent, tmp_path: Path) -> None:
    player = SearchPlayer.__new__(SearchPlayer)
    player._search, player._seed = GumbelSearch(playing(30), material_evaluator()), 0
    source = Source(ME, "gumbel", 30)
    recorder = MatchRecorder(4, "search:30", "greedy", source)
    result = play_match(player, GreedyPlayer(1), games=4, seed=0, ply_cap=60, record=recorder)
    recorder.write(tmp_path / "match.pgn")
    games = list(read_games(tmp_path / "match.pgn"))
    assert len(games) == 4
    points = [{"1-0": 1, "0-1": -1, "1/2-1/2": 0}[game.headers["Result"]] for game in games]
    assert sum(np.array(points) * [1, -1, 1, -1] > 0) == result.wins
    for row, game in enumerate(games):
        assert read_source(game, chess.WHITE if row % 2 == 0 else chess.BLACK) == source
        done = replay_game(game, opponent)
        assert done.moves > 5
        assert done.differences == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "cannot be read"), ("", "holds no game"), ("1. e4 Ke4", "cannot be read")],
)
def test_files_that_are_no_games(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "a.pgn"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=why):
        list(read_games(path))


def test_notes_are_read_back() -> None:
    assert simulations_of(note(0.25, 300)) == 300
    assert simulations_of(note(None, 5)) == 5
    assert simulations_of("nice") is None
