"""A saved game is played again, move for move; other weights and changed moves are told."""

import io
import re
from dataclasses import replace
from pathlib import Path

import chess
import chess.pgn
import numpy as np
import pytest

from agent.engine.agent import Agent
from agent.engine.limits import Clock, Control, Limits, ThinkOptions
from agent.engine.thinker import Thinker
from agent.errors import InputError
from agent.play.level import Level
from agent.play.provenance import Source, mark_foreign, note, read_source, strength_of_note, write_source
from agent.play.replay import Replayed, replay_game
from agent.play.saved import read_games
from agent.play.sides import AgentSide
from agent.play.strength import Strength, blunder
from agent.players.network import SearchPlayer
from agent.players.player import GreedyPlayer
from agent.search import CompiledEvaluator, GumbelSearch, LeafEvaluator, SearchSettings, material_evaluator, playing
from tests.agent.search.evaluators import MaterialLeaves
from tests.tables import table
from training.evaluation.match import MatchRecorder, play_match
from training.evaluation.match_runner import Hooks
from training.evaluation.openings import Openings

ME = "sha256:0123 run x"
DEFAULTS = replace(playing(), max_considered_actions=16)  # a game of some length
SHARP = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"


@pytest.fixture(scope="module")
def agent() -> Agent:
    return Agent(Thinker(material_evaluator(), DEFAULTS, megabytes=16), "material", identity=ME)


def saved_game(
    agent: Agent, temperature: float = 0.0, settings: SearchSettings = DEFAULTS, blunder_rate: float = 0.0
) -> chess.pgn.Game:
    """A game in which `agent` plays both sides with `settings`."""
    game = chess.pgn.Game()
    game.setup(SHARP)
    agent.retune(settings)
    while (board := game.end().board()).ply() < 24 and not board.is_game_over():
        strength = Strength(20 + board.ply(), temperature, blunder_rate)
        options = ThinkOptions(temperature=temperature, seed=7)
        report = agent.think(board, Limits(simulations=strength.simulations), options)
        move = blunder(board, blunder_rate, 7) or report.best.move
        game.end().add_variation(move, comment=note(report.best.score, strength))
    agent.retune(DEFAULTS)
    for color in chess.COLORS:
        write_source(game, color, Source(ME, seed=7, settings=settings))
    read = chess.pgn.read_game(io.StringIO(str(game)))
    assert read is not None
    return read


@pytest.mark.parametrize(("temperature", "rate"), [(0.0, 0.0), (1.5, 0.0), (1.0, 0.4)])
def test_every_move_is_found_again_from_the_file_alone(agent: Agent, temperature: float, rate: float) -> None:
    game = saved_game(agent, temperature, blunder_rate=rate)
    moves = game.end().ply()
    done = replay_game(game, agent)
    assert (done.moves, done.no_note, done.differences) == (moves, 0, ())
    assert moves >= 16


def chosen_again(agent: Agent, level: Level, clock: Clock | None = None) -> str:
    """The comments of six moves that both sides chose at `level`; they are found again from the file alone."""
    game = chess.pgn.Game()
    game.setup(SHARP)
    for _ in range(6):
        chosen = AgentSide(agent, level).choose(game.end().board(), 0, clock, Control(), None)
        assert chosen.report is not None
        assert f", {chosen.report.nodes} " in chosen.note
        game.end().add_variation(chosen.move, comment=chosen.note)
    for color in chess.COLORS:
        write_source(game, color, Source(ME, settings=agent.settings))
    read = chess.pgn.read_game(io.StringIO(str(game)))
    assert read is not None
    assert replay_game(read, agent) == Replayed(6, 0, (), 0)
    return " ".join(node.comment for node in read.mainline())


@pytest.mark.parametrize(("level", "clock"), [(Level(seconds=0.03), None), (Level(seconds=9.0), Clock(1.0))])
@pytest.mark.parametrize("evaluator", [material_evaluator(), MaterialLeaves()])
def test_moves_by_time_tell_their_nodes(
    evaluator: CompiledEvaluator | LeafEvaluator, level: Level, clock: Clock | None
) -> None:
    agent = Agent(Thinker(evaluator, megabytes=2), "material", identity=ME)
    assert chosen_again(agent, level, clock).count(" nodes") == 6


def test_simulations_that_time_cut_short_tell_what_was_done(agent: Agent) -> None:
    """The speed was measured where it was a hundred times as high."""
    thinker = Thinker(MaterialLeaves(), DEFAULTS, megabytes=16)
    thinker._speed = 1e6
    cut = Agent(thinker, "material", identity=ME)
    assert re.search(r" of \d{4,} simulations", chosen_again(cut, Level(simulations=100_000), Clock(4.0)))
    assert " of " not in chosen_again(agent, Level(simulations=50), Clock(4.0))


def test_every_setting_of_the_search_is_told_and_obeyed(agent: Agent) -> None:
    odd = replace(DEFAULTS, max_considered_actions=5, c_visit=200.0, c_scale=1.0, gumbel_scale=0.0)
    settings = replace(odd, c_puct=0.5, policy_temperature=2.0)
    game = saved_game(agent, settings=settings)
    source = read_source(game, chess.WHITE)
    assert source is not None
    assert source.settings == settings
    assert replay_game(game, agent).differences == ()
    assert agent.settings == DEFAULTS
    for color in chess.COLORS:
        write_source(game, color, Source(ME, seed=7, settings=DEFAULTS))
    assert replay_game(game, agent).differences != ()


@pytest.mark.parametrize(("was", "now", "why"), table("other_settings"))
def test_settings_that_are_not_ours_are_refused(agent: Agent, was: str, now: str, why: str) -> None:
    game = saved_game(agent)
    game.headers["BlackSettings"] = game.headers["BlackSettings"].replace(was, now)
    with pytest.raises(InputError, match=why):
        replay_game(game, agent)


def test_what_is_not_replayed_is_counted(agent: Agent) -> None:
    """Settings of other versions are ignored, a move of another agent and one that tells no simulations passed over."""
    game = saved_game(agent)
    game.headers["BlackSettings"] += " rescale=1"
    node, last = game.next(), game.end()
    assert node is not None
    node.comment = mark_foreign(node.comment)
    assert node.comment == mark_foreign(node.comment)
    last.comment = "a fine move"
    assert replay_game(game, agent) == Replayed(22, 1, (), 1)


def test_a_changed_move_is_named(agent: Agent) -> None:
    game = saved_game(agent)
    node = game.next()
    assert node is not None
    found = node.san()
    other = next(move for move in game.board().legal_moves if move != node.move)
    changed = chess.pgn.Game(headers=game.headers)
    changed.add_variation(other, comment=node.comment)
    assert replay_game(changed, agent).differences == (f"1. {game.board().san(other)}: now {found}",)


def test_other_weights_and_games_without_them_are_refused(agent: Agent) -> None:
    other = Agent(Thinker(material_evaluator(), DEFAULTS, megabytes=16), "other", identity="sha256:ffff")
    with pytest.raises(InputError, match="played with sha256:0123 run x, not sha256:ffff"):
        replay_game(saved_game(agent), other)
    with pytest.raises(InputError, match="does not say which weights"):
        replay_game(chess.pgn.Game({"WhiteWeights": " "}), agent)


def test_match_games_are_replayed(agent: Agent, tmp_path: Path) -> None:
    player = SearchPlayer.__new__(SearchPlayer)
    player._search, player._seed = GumbelSearch(replace(DEFAULTS, simulations=30), material_evaluator()), 0
    source = Source(ME, 30, settings=DEFAULTS)
    recorder = MatchRecorder(4, "search:30", "greedy", source, Openings(0, 4))
    result = play_match(player, GreedyPlayer(1), Openings(0, 4), games=4, ply_cap=60, hooks=Hooks(moved=recorder))
    recorder.write(tmp_path / "match.pgn")
    games = list(read_games(tmp_path / "match.pgn"))
    assert len(games) == 4
    points = [{"1-0": 1, "0-1": -1, "1/2-1/2": 0}[game.headers["Result"]] for game in games]
    assert sum(np.array(points) * [1, -1, 1, -1] > 0) == result.wins
    for row, game in enumerate(games):
        assert read_source(game, chess.WHITE if row % 2 == 0 else chess.BLACK) == source
        done = replay_game(game, agent)
        assert (done.moves > 5, done.differences) == (True, ())


def test_notes_are_read_back() -> None:
    cut, timed = Strength(72, 1.5, 0.25, planned=300), Strength(0, nodes=10**10)
    for strength in (Strength(300), Strength(5, 1.5), Strength(4, 0.0, 0.25), Strength(4, 1.125, 0.8), cut, timed):
        for score in (0.25, None):
            assert strength_of_note(note(score, strength)) == strength
            assert strength_of_note(mark_foreign(note(score, strength))) == strength
    assert strength_of_note("score +0.250, 300 simulations", 0.7) == Strength(300, 0.7)  # the noise in a header
    assert strength_of_note("nice") is None


@pytest.mark.parametrize(
    "header", [f"Simulations {10**20}", "Simulations -1", "Temperature inf", "Temperature -1", "Seed -7"]
)
def test_absurd_headers_name_no_source(agent: Agent, header: str) -> None:
    game, (name, value) = saved_game(agent), header.split()
    game.headers[f"White{name}"] = value
    assert read_source(game, chess.WHITE) is None
    assert read_source(game, chess.BLACK) is not None
