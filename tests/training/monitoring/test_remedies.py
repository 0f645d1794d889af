"""The guard in real short loops: a collapse is announced, each remedy takes effect, and training goes on."""

import io
import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agent import rules
from agent.networks.residual.network import Architecture, Network
from agent.networks.weights import load_weights
from selfplay.actor import GameBatch, Weights
from selfplay.pool import LocalPool
from selfplay.starts import StartSettings
from selfplay.variations import LEAD, Variations
from training.durability.checkpoint import newest_checkpoint
from training.durability.run_folder import RunFolder
from training.loop import TrainingLoop
from training.monitoring.display import Display
from training.run import actor_settings_of, run_training, tell
from training.settings import Settings, load_settings

TINY = [
    "network.blocks=1",
    "network.channels=8",
    "selfplay.actors=0",
    "selfplay.games=8",
    "selfplay.opening_plies=3",
    "selfplay.ply_cap=40",
    "selfplay.plies_per_call=8",
    "learner.batch_size=16",
    "learner.publish_steps=4",
    "learner.reuse=0.25",
    "replay.warmup=64",
    "replay.capacity=600",
    "log.steps=1",
    "run.minutes=null",
    "run.name=it",
    "guard.games=24",
    "guard.least_games=8",
    "guard.rows=2",
    "guard.least_rows=2",
    "guard.grace_games=0",
    "guard.cooldown_steps=20",
    # Only what a test provokes may speak: a network this fresh is all of it.
    *(f"guard.{name}=0" for name in ("decisive", "mate_rate_ahead", "value_spread", "entropy", "unique_openings")),
    "guard.value_gain=-100",
    "guard.capped=1",
]


class RecordingPool(LocalPool):
    """Keeps what is published and what was played."""

    def __init__(self, settings: Settings, first_stream: int = 0) -> None:
        super().__init__(actor_settings_of(settings), first_stream)
        self.published: dict[int, Weights] = {}
        self.batches: list[GameBatch] = []
        self.varied: list[Variations] = []

    def publish(self, weights: Weights, version: int) -> None:
        self.published[version] = weights
        super().publish(weights, version)

    def vary(self, variations: Variations) -> None:
        self.varied.append(variations)
        super().vary(variations)

    def collect(self, *, wait: bool) -> list[GameBatch]:
        batches = super().collect(wait=wait)
        self.batches += batches
        return batches


def chosen(folder: Path, steps: int, *extra: str) -> Settings:
    return load_settings(None, [*TINY, f"run.folder={folder}", f"run.steps={steps}", *extra])


def fresh(settings: Settings) -> TrainingLoop:
    torch.manual_seed(0)
    network = Network(Architecture(settings.network.blocks, settings.network.channels))
    return TrainingLoop(settings, RunFolder.create(settings, None), network)


def trained(
    loop: TrainingLoop, pool: RecordingPool, tick: Callable[[TrainingLoop], None] = lambda loop: None
) -> list[dict[str, float]]:
    """Train to the end; the rows of the log."""
    loop.run(pool, stop=lambda: False, tick=tick)
    loop.close()
    rows = [json.loads(line) for line in loop.folder.log.read_text().splitlines()]
    assert all(np.isfinite(row["loss/total"]) for row in rows)
    return rows


def said(loop: TrainingLoop) -> list[str]:
    return [news.text for news in loop.remedies.news]


def test_a_collapse_into_draws_is_seen_everywhere_and_answered_by_decisive_starts(tmp_path: Path) -> None:
    """Games of 40 plies between networks that know nothing are hardly ever won."""
    settings = chosen(tmp_path, 40, "guard.decisive=0.2", "guard.decisive_remedy=decisive")
    loop, pool, text = fresh(settings), RecordingPool(settings), io.StringIO()
    display = Display(Console(file=text, width=200))
    rows = trained(loop, pool, partial(tell, display))
    assert len(rows) == 40
    first = next(row for row in rows if row["guard/alarm"])
    assert first["guard/alarm/decisive"] == 1
    assert first["guard/decisive"] < 0.2
    step = int(first["step"])
    assert f"guard, step {step}: alarm decisive: only" in text.getvalue()
    assert f"guard, step {step}: remedy for decisive: 25% of the games start with a side far ahead" in text.getvalue()
    events = EventAccumulator(str(loop.folder.tensorboard))
    events.Reload()
    assert next(event.step for event in events.Scalars("guard/alarm") if event.value) == step
    # The remedy takes effect, and comes again after its cool-down, not before.
    changed = [variations.decisive_share for variations in pool.varied]
    assert changed[:2] == [0.0, 0.25]
    steps = [news.step for news in loop.remedies.news if news.text.startswith("remedy")]
    assert all(later - earlier >= 20 for earlier, later in pairwise(steps))
    records = [record for batch in pool.batches for record in batch.records]
    ahead = [record for record in records if rules.material(record.positions[:1])[0] >= LEAD]
    assert len(ahead) > 0
    assert all(len(record.opening) > 0 for record in ahead)


def test_one_opening_for_all_is_answered_by_longer_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = ("guard.unique_openings=1", "guard.margin=0", "guard.least_games=4", "selfplay.opening_plies=0")
    settings = chosen(tmp_path, 60, *extra, "guard.unique_openings_remedy=openings", "guard.most_opening_plies=10")
    loop, pool = fresh(settings), RecordingPool(settings)
    # Networks that sample at random seldom repeat themselves; a record of one line does.
    real = loop.guard.game
    monkeypatch.setattr(loop.guard, "game", lambda record, step: (real(record, step), real(record, step)))
    trained(loop, pool)
    assert [variations.start.opening_plies for variations in pool.varied][:4] == [0, 4, 8, 10]
    lengths = [len(record.opening) for batch in pool.batches for record in batch.records]
    assert lengths[:8] == [0] * 8
    assert 4 < max(lengths) <= 10


def test_remedies_are_not_repeated_without_end(tmp_path: Path) -> None:
    extra = ("guard.decisive=1", "guard.cooldown_steps=2", "guard.most_decisive_share=0.3")
    settings = chosen(tmp_path, 40, *extra)
    loop, pool = fresh(settings), RecordingPool(settings)
    trained(loop, pool)
    assert [variations.decisive_share for variations in pool.varied] == [0.0, 0.25, 0.3]
    assert said(loop).count("remedy for decisive: none left, 'decisive' is at its limit in the settings") == 1


def blind(loop: TrainingLoop) -> None:
    with torch.no_grad():
        loop.learner.network.value_out.weight.zero_()  # type: ignore[union-attr,operator]


def test_a_value_gone_blind_is_rolled_back_to_before_the_trouble(tmp_path: Path) -> None:
    """The value goes blind at step 12 of a run that was well; a policy that alone is learned leaves it so."""
    extra = ("learner.value_weight=0", "guard.value_spread=0.000001", "guard.value_spread_remedy=rollback")
    settings = chosen(tmp_path, 30, *extra, "run.keep_checkpoints=10")
    loop, pool = fresh(settings), RecordingPool(settings)
    versions: list[int] = []
    replayed: list[int] = []

    def tick(loop: TrainingLoop) -> None:
        versions.append(loop.counters.version)
        replayed.append(loop.replay.games)
        if loop.learner.step in (4, 8):
            loop.save()
        if loop.learner.step == 12:
            blind(loop)

    rows = trained(loop, pool, tick)
    at = next(news for news in loop.remedies.news if "back to the weights" in news.text)
    assert at.text == "remedy for value_spread: back to the weights and optimiser of step 8"
    assert 12 < at.step < 20
    # What was published then is the older checkpoint, bit for bit, and newer than every version before.
    old = load_weights(loop.folder.checkpoints / "step-00000008" / "weights.safetensors").network.state_dict()
    same = [
        version
        for version, weights in pool.published.items()
        if all(np.array_equal(weights[name], tensor.numpy()) for name, tensor in old.items())
    ]
    assert len(same) == 2
    assert same[1] > same[0]
    assert list(pool.published) == sorted(pool.published)
    assert versions == sorted(versions)
    assert replayed == sorted(replayed)
    # Training goes on from there: the value is no longer blind, steps count up, the alarm ends.
    assert [row["step"] for row in rows] == list(range(1, 31))
    assert rows[-1]["guard/value_spread"] > 0.000001
    assert rows[-1]["guard/alarm"] == 0
    assert any(text.startswith("alarm value_spread is over") for text in said(loop))
    # And a checkpoint was written at once: a resumed run must not go on from the weights that were left.
    assert (loop.folder.checkpoints / f"step-{at.step:08d}").is_dir()


@pytest.mark.parametrize("extra", [(), ("learner.averaging=0.9", "learner.auxiliary_weight=0.1")], ids=str)
def test_everything_that_learns_is_rolled_back(extra: tuple[str, ...], tmp_path: Path) -> None:
    """Optimiser, weights that learn, weights that play, auxiliary heads."""
    settings = chosen(tmp_path, 8, "guard.entropy=5", "guard.entropy_remedy=rollback", *extra)
    loop, pool = fresh(settings), RecordingPool(settings)
    loop.guard._seen = -(10**6)  # no alarm yet
    trained(loop, pool)
    before, played = loop.learner.state_arrays(), loop.learner.published()
    batch = loop.replay.sample(16, np.random.default_rng(0))
    loop.learner.train(batch, progress=0.5)
    assert any(not np.array_equal(before[name], array) for name, array in loop.learner.state_arrays().items())
    loop.guard._seen, loop.guard._well["entropy"] = 10**6, 8
    loop.guard._rows.clear()
    for step in (9, 10):
        loop.guard.learned(step, {"loss/value": 1.0, "policy/entropy": 0.1}, 0.1)
    loop.guard.judge(10)
    assert loop.remedies.treat(loop.guard, loop.learner, pool)
    after = loop.learner.state_arrays()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert all(np.array_equal(array, played[name]) for name, array in loop.learner.published().items())
    assert bool(extra) == any(name.startswith("learning.") for name in before)
    assert bool(extra) == any(name.startswith("weights.auxiliary.") for name in before)
    assert loop.learner.step == 9  # goes on counting
    # Its checkpoint holds the good weights again, and is what a second rollback would take.
    assert {alarm.since for alarm in loop.guard.alarms.values()} == {9}


def test_without_a_checkpoint_from_before_nothing_is_rolled_back(tmp_path: Path) -> None:
    settings = chosen(tmp_path, 12, "guard.entropy=5", "guard.entropy_remedy=rollback")
    loop, pool = fresh(settings), RecordingPool(settings)
    trained(loop, pool)
    assert any(
        "there is no checkpoint from before the trouble, which was there from the start" in t for t in said(loop)
    )
    assert "entropy" in loop.guard.alarms


def test_a_damaged_checkpoint_is_named_and_an_older_one_taken(tmp_path: Path) -> None:
    settings = chosen(tmp_path, 12)
    loop, pool = fresh(settings), RecordingPool(settings)
    trained(loop, pool, lambda loop: None if loop.learner.step != 4 else void(loop.save()))
    weights = loop.folder.checkpoints / "step-00000012" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    found = loop.remedies._before(12, 12)
    assert found is not None
    assert found.state["step"] == 4
    assert "step-00000012' is damaged (weights.safetensors differs" in said(loop)[-1]


def void(_: object) -> None: ...


@pytest.mark.parametrize("remedy", ["none", "decisive"])
def test_a_resumed_run_keeps_its_alarms_variations_and_cool_down(tmp_path: Path, remedy: str) -> None:
    settings = chosen(tmp_path, 10, "guard.decisive=1", f"guard.decisive_remedy={remedy}", "guard.cooldown_steps=100")
    loop = fresh(settings)
    trained(loop, RecordingPool(settings))
    path, checkpoint, _ = newest_checkpoint(loop.folder.checkpoints)
    extra = ("guard.decisive=1", f"guard.decisive_remedy={remedy}", "guard.cooldown_steps=100")
    longer = chosen(tmp_path, 16, *extra, "selfplay.opening_plies=5", "selfplay.decisive_share=0.1")
    resumed = TrainingLoop(longer, loop.folder, load_weights(path / "weights.safetensors").network, checkpoint)
    assert resumed.guard.alarms == loop.guard.alarms != {}
    assert resumed.remedies.untold() == []
    pool = RecordingPool(longer, resumed.counters.streams)
    trained(resumed, pool)
    share = 0.25 if remedy == "decisive" else 0.0
    assert pool.varied == [Variations(StartSettings(3), share) if share else Variations(StartSettings(5), 0.1)]
    assert said(resumed) == said(loop)
    assert len(said(loop)) == (2 if share else 1)


def test_the_summary_of_a_run_tells_of_its_alarms(tmp_path: Path) -> None:
    settings = chosen(tmp_path, 10, "guard.decisive=1")
    folder = RunFolder.create(settings, None)
    display = Display(Console(file=io.StringIO()))
    summary = run_training(settings, folder, resume="no", display=display, stop=lambda: False)
    assert summary.alarms == ["decisive"]
    stored = json.loads((folder.path / "summary.json").read_text())
    assert stored["alarms"] == ["decisive"]
    assert [news["text"].split(":")[0] for news in stored["guard"]] == ["alarm decisive", "remedy for decisive"]
    assert all(news["step"] > 0 for news in stored["guard"])
