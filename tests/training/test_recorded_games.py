"""A run that only plays, runs that learn from its games, and weights judged by those that are held out."""

from pathlib import Path

import numpy as np
import pytest
import torch

import zeromass
from agent.errors import InputError
from agent.networks.bundled import identity
from agent.networks.registry import make_network
from agent.networks.sparse.architecture import SparseArchitecture
from agent.networks.weights import load_weights, save_weights
from benchmarks.weights import judged_by, losses, mean_of, run
from selfplay.pool import LocalPool, Pool
from selfplay.record import GameRecord
from tests.training.runs import begin, resume, train
from training.assembly import Run
from training.durability.replay_store import ReplayStore
from training.durability.window import HELD_OUT
from training.settings import Settings, load_settings
from training.targets import targets

TINY = (
    "network.kind=sparse network.width=64 network.hidden=32 selfplay.actors=0 selfplay.ply_cap=10 selfplay.method=pvs "
    "selfplay.simulations=4 replay.capacity=5000 learner.batch_size=32 evaluation.games=0 run.minutes=null"
)
EIGHT = "run.steps=8", "learner.mirrored=0.5"


def settings(name: str, folder: Path, *more: str) -> Settings:
    return load_settings(None, [*TINY.split(), f"run.folder={folder}", f"run.name={name}", *more])


def play(folder: Path, least: int, *more: str) -> Path:
    """The folder of a run that only played."""
    run = begin(settings("played", folder, "run.steps=1", "learner.reuse=0", *more))
    loop = run.loop
    loop.run(LocalPool(loop.settings.actor), stop=lambda: loop.counters.games >= least)
    run.close()
    assert (loop.learner.step, loop.progress, loop.window.store.waiting) == (0, 0.0, [])
    return run.folder.path


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(tmp_path_factory.mktemp("runs"), 120)


def games(played: Path, *, held: bool) -> list[GameRecord]:
    found = [game.record for game in ReplayStore(played / "replay").read(0) if not isinstance(game, str)]
    return [record for record in found if (int(record.game, 16) % HELD_OUT == 0) == held]


def learn(played: Path, folder: Path, *more: str, name: str = "learned") -> Run:
    return begin(settings(name, folder, *EIGHT, f"replay.games={played}", *more))


def test_a_run_learns_from_exactly_the_games_that_are_not_held_out(played: Path, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in (played / "replay").iterdir()}
    run = train(learn(played, tmp_path, "learner.value_lambda=0.3"), pool=Pool())
    kept, loop = games(played, held=False), run.loop
    assert games(played, held=True)
    assert (loop.learner.step, loop.counters.games) == (8, len(kept))
    assert loop.counters.positions == sum(game.plies for game in kept)
    batch = loop.window.replay.sample(2000, np.random.default_rng(0))
    wanted = set()
    for record in kept:
        wdl = targets(record, adjudication=0.25, value_lambda=0.3).wdl
        wanted |= {(position.tobytes(), row.tobytes()) for position, row in zip(record.positions, wdl, strict=True)}
    drawn = {(position.tobytes(), row.tobytes()) for position, row in zip(batch.positions, batch.wdl, strict=True)}
    assert drawn <= wanted
    assert len(drawn) > 0.8 * len(wanted)
    assert {file: file.read_bytes() for file in (played / "replay").iterdir()} == before
    assert not list(run.folder.replay.glob("*"))


def test_a_run_learns_from_the_games_of_several(played: Path, tmp_path: Path) -> None:
    more = play(tmp_path, 40, "run.seed=1")
    kept = {game.game for run in (played, more) for game in games(run, held=False)}
    loop = train(learn(Path(f"{more},{played}"), tmp_path), pool=Pool()).loop
    assert loop.counters.games == loop.window.replay.games == len(kept) > 140


def test_learning_from_games_goes_on_bit_for_bit(played: Path, tmp_path: Path) -> None:
    whole = train(learn(played, tmp_path, name="whole"), pool=Pool())
    train(learn(played, tmp_path), pool=Pool(), until=4)
    rest = train(resume(settings("learned", tmp_path, *EIGHT, f"replay.games={played}")), pool=Pool())
    assert (rest.loop.learner.step, rest.loop.counters.games) == (8, whole.loop.counters.games)
    for one, other in zip(whole.loop.learner.weights().values(), rest.loop.learner.weights().values(), strict=True):
        assert np.array_equal(one, other)


def test_from_the_command_line(played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*TINY.split(), f"run.folder={tmp_path}", "run.steps=2", "selfplay.actors=2", "run.name=it"]
    assert zeromass.main(["train", *words, f"replay.games={played}"]) == 0
    said = capsys.readouterr().out
    assert f"{len(games(played, held=False)):,}" in said
    assert "Ray" not in said
    plain = "run.name=plain learner.reuse=0 run.minutes=0.02 selfplay.simulations=0 selfplay.actors=0"
    assert zeromass.main(["train", *words, *plain.split()]) == 0
    for wrong, more, reason in (
        (tmp_path / "it", "learner.reuse=1", "holds no searched games to learn from"),
        (tmp_path / "plain", "learner.reuse=1", "holds no searched games to learn from"),
        (played, "selfplay.simulations=0", "were searched; set selfplay.simulations as they were"),
        ("nowhere", "learner.reuse=1", "run 'nowhere' does not exist"),
    ):
        assert zeromass.main(["train", *words, "run.name=other", f"replay.games={wrong}", more]) == 2
        assert reason in capsys.readouterr().err


def test_weights_are_judged_as_by_plain_numpy(played: Path, tmp_path: Path) -> None:
    network = make_network(settings("any", tmp_path, "run.steps=1").network.architecture)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    batches = judged_by(str(played), 2)
    held = {position.tobytes() for record in games(played, held=True) for position in record.positions}
    assert {position.tobytes() for batch in batches for position in batch.positions} <= held
    searched = {float(value) for record in games(played, held=True) for value in record.values}
    cut = np.concatenate([batch.wdl[:, 0] - batch.wdl[:, 2] for batch in judged_by(str(played), 2, value_cut=1)])
    assert np.mean([min(abs(value - each) for each in searched) < 1e-6 for value in cut[:300]]) > 0.9
    found = losses(network, batches)
    for column, batch in zip(found.T, batches, strict=True):
        with torch.inference_mode():
            logits, values = (tensor.double().numpy() for tensor in network.dense(batch.positions))
        value = values - np.log(np.exp(values).sum(1, keepdims=True))
        ragged, divergence = batch.policies, []
        for row, (first, last) in enumerate(zip(ragged.offsets, ragged.offsets[1:], strict=False)):
            target, own = ragged.probabilities[first:last].astype(np.float64), logits[row, ragged.indices[first:last]]
            log_prob = own - np.log(np.exp(own).sum())
            divergence.append((target * (np.log(np.maximum(target, 1e-300)) - log_prob)).sum())
        wanted = -(batch.wdl * value).sum(1).mean(), np.mean(divergence)
        assert column == pytest.approx(wanted, abs=2e-3)
    for number, name in enumerate(("one", "other")):
        torch.nn.init.constant_(network.get_parameter("value.bias"), number)
        save_weights(tmp_path / name, network, {})
    files = f"files={tmp_path}/one,{tmp_path}/other", f"mean={tmp_path}/mean"
    run(rounds=1, seconds=0.01, overrides=[f"games={played}", *files])
    mean, one = (load_weights(tmp_path / name) for name in ("mean", "one"))
    assert mean.provenance["mean_of"].startswith(f"{identity(one)}, sha256:")
    for key, tensor in one.tensors.items():
        assert mean.tensors[key] == pytest.approx(tensor + 0.5 * (key == "value.bias"), abs=1e-3)
    with pytest.raises(InputError, match=r"shape have a mean, not .*width=128.* and .*width=64"):
        mean_of([network, network.widened(SparseArchitecture(128, 32))])
    with pytest.raises(InputError, match="too few games"):
        judged_by(str(begin(settings("empty", tmp_path, "run.steps=1")).folder.path), 2)
