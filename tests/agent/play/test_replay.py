"""A saved game is played again, move for move; other weights and changed moves are told."""

import io
from dataclasses import replace
from pathlib import Path

import chess
import chess.pgn
import numpy as np
import pytest

from agent.engine.agent import Opponent
from agent.engine.limits import Limits
from agent.engine.strength import Strength, slip
from agent.engine.thinker import Thinker
from agent.errors import InputError
from agent.play.provenance import Source, disown, note, read_source, strength_of_note, write_settings, write_source
from agent.play.replay import read_games, replay_game
from agent.players.player import GreedyPlayer, SearchPlayer
from agent.search import GumbelSearch, SearchSettings, material_evaluator, playing
from training.evaluation.match import play_match
from training.evaluation.match_pgn import MatchRecorder
from training.evaluation.match_runner import Hooks
from training.evaluation.openings import Openings

ME = "sha256:0123 run x"
USUAL = playing()
SHARP = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"


@pytest.fixture(scope="module")
def opponent() -> Opponent:
    return Opponent(Thinker(material_evaluator(), megabytes=16), "material", identity=ME)


def saved_game(
    opponent: Opponent, temperature: float, settings: SearchSettings | None = USUAL, slips: float = 0.0
) -> chess.pgn.Game:
    """A game in which `opponent` plays both sides with `settings`; None: they are not told, and usual."""
    game = chess.pgn.Game()
    game.setup(SHARP)
    board, node = chess.Board(SHARP), game
    opponent.retune(settings or USUAL)
    for ply in range(24):
        if board.is_game_over():
            break
        strength = Strength(20 + ply, temperature, slips)
        thought = opponent.think(
            board, Limits(simulations=strength.simulations), temperature=strength.temperature, seed=7
        )
        move = slip(board, slips, 7) or thought.best.move
        node = node.add_variation(move, comment=note(thought.best.score, strength))  # type: ignore[assignment]
        board.push(move)
    opponent.retune(USUAL)
    for color in chess.COLORS:
        write_source(game, color, Source(ME, seed=7, settings=settings))
    read = chess.pgn.read_game(io.StringIO(str(game)))
    assert read is not None
    return read


@pytest.mark.parametrize(("temperature", "slips"), [(0.0, 0.0), (1.5, 0.0), (1.0, 0.4)])
def test_every_move_is_found_again_from_the_file_alone(opponent: Opponent, temperature: float, slips: float) -> None:
    done = replay_game(saved_game(opponent, temperature, slips=slips), opponent)
    assert (done.moves, done.untold, done.differences) == (24, 0, ())


ODD = SearchSettings(
    max_considered_actions=5,
    c_visit=200.0,
    c_scale=1.0,
    c_puct=0.5,
    policy_temperature=2.0,
    claim_draws=False,
)


def test_every_setting_of_the_search_is_told_and_obeyed(opponent: Opponent) -> None:
    game = saved_game(opponent, 0.0, ODD)
    source = read_source(game, chess.WHITE)
    assert source is not None
    assert source.settings == replace(ODD, simulations=USUAL.simulations, gumbel_scale=0.0)
    assert replay_game(game, opponent).differences == ()
    assert opponent.settings == USUAL
    for color in ("White", "Black"):
        game.headers[f"{color}Settings"] = write_settings(USUAL)
    assert replay_game(game, opponent).differences != ()


@pytest.mark.parametrize("c_visit", [10.0, 50.0])
def test_files_that_do_not_tell_settings_are_replayed_with_those_that_were(opponent: Opponent, c_visit: float) -> None:
    told = saved_game(opponent, 0.0, replace(USUAL, c_visit=c_visit, c_puct=0.0))
    for color in ("White", "Black"):
        del told.headers[f"{color}Settings"]
    done = replay_game(told, opponent)
    assert (done.moves, done.differences) == (24, ())
    for color in ("White", "Black"):
        told.headers[f"{color}Settings"] = write_settings(replace(USUAL, c_visit=60.0 - c_visit, c_puct=0.0))
    assert replay_game(told, opponent).differences != ()


def test_files_from_before_puct_are_replayed_without_it(opponent: Opponent) -> None:
    game = saved_game(opponent, 0.0, replace(USUAL, c_puct=0.0))
    for color in ("White", "Black"):
        assert " c_puct=0 " in game.headers[f"{color}Settings"]
        game.headers[f"{color}Settings"] = game.headers[f"{color}Settings"].replace(" c_puct=0 ", " ")
    assert replay_game(game, opponent).differences == ()


def test_untold_settings_that_cannot_be_known_are_refused(opponent: Opponent) -> None:
    game = saved_game(opponent, 0.0, ODD)
    for color in ("White", "Black"):
        del game.headers[f"{color}Settings"]
    with pytest.raises(InputError, match="neither c_visit 10 nor 50 finds all of its moves again"):
        replay_game(game, opponent)


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        ("c_scale=0.1", "c_scale=0.1 breadth=3", "another version of ZeroMass .breadth"),
        ("c_scale=0.1", "", "another version of ZeroMass .c_scale"),
        ("c_scale=0.1", "c_scale=x", "cannot be read"),
        ("c_scale=0.1", "c_scale=-1", "cannot be read"),
    ],
)
def test_settings_that_are_not_ours_are_refused(opponent: Opponent, was: str, now: str, why: str) -> None:
    game = saved_game(opponent, 0.0)
    game.headers["BlackSettings"] = game.headers["BlackSettings"].replace(was, now)
    with pytest.raises(InputError, match=why):
        replay_game(game, opponent)


def test_moves_of_another_agent_are_not_replayed(opponent: Opponent) -> None:
    game = saved_game(opponent, 0.0)
    node = game.next()
    assert node is not None
    node.comment = disown(node.comment)
    assert node.comment == disown(node.comment)
    done = replay_game(game, opponent)
    assert (done.moves, done.strange, done.differences) == (23, 1, ())


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
    source = Source(ME, "gumbel", 30, settings=USUAL)
    recorder = MatchRecorder(4, "search:30", "greedy", source, Openings(0, 4))
    hooks = Hooks(moved=recorder)
    result = play_match(player, GreedyPlayer(1), Openings(0, 4), games=4, ply_cap=60, hooks=hooks)
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
def test_files_that_are_no_games(tmp_path: Path, text: str | None, why: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.pgn"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=why):
        list(read_games(path))
    assert not caplog.records  # python-chess would print its own opinion


def test_notes_are_read_back() -> None:
    for strength in (Strength(300), Strength(5, 1.5), Strength(4, 0.0, 0.25), Strength(4, 1.125, 0.8)):
        for score in (0.25, None):
            assert strength_of_note(note(score, strength)) == strength
            assert strength_of_note(disown(note(score, strength))) == strength
    assert strength_of_note("score +0.250, 300 simulations", 0.7) == Strength(300, 0.7)  # the noise in a header
    assert strength_of_note("nice") is None
