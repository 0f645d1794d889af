"""The event files of short real runs, read back by TensorBoard itself."""

import errno
import json
import time
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.monitoring.short_run import SEARCHED, events_of, resumed_run, short_run
from tests.training.runs import log_of
from training.durability.run_folder import RunFolder
from training.monitoring.metrics import Metrics
from training.monitoring.tags.tags import TAGS, find_tag

ELSEWHERE = {
    **{name: "no match was asked for" for name in TAGS if name.startswith("evaluation/")},
    "time/waiting": "plays its own games, and never waits",
    "system/memory_growth": "a process is judged after thirty readings",
}
"""Documented tags that these runs cannot have."""
LEARNED = {"policy/clipped": "without search", "policy/target_entropy": "with search"}
LAYOUT = "custom_scalars__config__"  # TensorBoard's own name


def tags_of(events: EventAccumulator) -> dict[str, str]:
    """Kind by tag."""
    found = events.Tags()
    kinds = {"scalars": "scalar", "images": "picture", "histograms": "histogram", "tensors": "text"}
    return {tag: kind for name, kind in kinds.items() for tag in found[name]}


def steps_shown(folder: RunFolder) -> dict[str, list[int]]:
    """Steps by tag, as the browser gets them: read by what TensorBoard itself reads with."""
    everything = {plugin_event_accumulator.TENSORS: 0}
    events = plugin_event_accumulator.EventAccumulator(str(folder.tensorboard), size_guidance=everything)
    events.Reload()
    return {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


@pytest.fixture(scope="module", params=["without search", "with search"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, str]:
    extra = SEARCHED if request.param == "with search" else []
    return short_run(tmp_path_factory.mktemp("runs"), 40, *extra), request.param


def test_every_documented_tag_is_there_and_no_other(run: tuple[RunFolder, str]) -> None:
    folder, how = run
    found = tags_of(events_of(folder))
    others = {name for name, needs in LEARNED.items() if needs != how}
    if not any(row.get("guard/decisive") for row in log_of(folder.path)):
        others.add("games/decisive")
    assert found.pop(LAYOUT) == "text"
    for name, kind in found.items():
        assert find_tag(name).kind == kind, name
    there = {find_tag(name).name for name in found}
    assert there == set(TAGS) - set(ELSEWHERE) - others


def test_curves_are_finite_and_agree_with_the_log(run: tuple[RunFolder, str]) -> None:
    folder, _ = run
    events, rows = events_of(folder), log_of(folder.path)
    assert [row["step"] for row in rows] == list(range(2, 41, 2))
    for name in events.Tags()["scalars"]:
        points = [(event.step, event.value) for event in events.Scalars(name)]
        wanted = [(row["step"], np.float32(row[name])) for row in rows if name in row]
        assert points == wanted, name
        assert np.isfinite([value for _, value in points]).all(), name


def test_what_is_counted_adds_up(run: tuple[RunFolder, str]) -> None:
    folder, _ = run
    for row in log_of(folder.path):
        assert row["policy/invalid_mass_max"] == 0.0
        parts = [value for name, value in row.items() if name.startswith("time/")]
        assert all(0 <= part <= 1 for part in parts)
        assert sum(parts) <= 1.05
        if "selfplay/draws" in row:
            assert row["guard/decisive"] == pytest.approx(row["selfplay/white_wins"] + row["selfplay/black_wins"])
            assert row["guard/truncated"] == row["selfplay/termination/truncated"]
            ends = sum(value for name, value in row.items() if name.startswith("selfplay/termination/"))
            assert ends == pytest.approx(1.0)


def test_descriptions_stand_beside_the_charts_and_pictures_are_whole_pngs(run: tuple[RunFolder, str]) -> None:
    events = events_of(run[0])
    for name in tags_of(events).keys() - {LAYOUT}:
        assert events.SummaryMetadata(name).summary_description == find_tag(name).description
    for name in events.Tags()["images"]:
        for image in events.Images(name):
            assert image.encoded_image_string.startswith(b"\x89PNG\r\n\x1a\n")
            assert np.frombuffer(image.encoded_image_string[16:24], ">u4").tolist() == [image.width, image.height]


def test_texts_say_what_the_run_is(run: tuple[RunFolder, str]) -> None:
    events = events_of(run[0])
    for tag, words in {
        "run/settings": "| learner.batch_size | **`64`** |",
        "run/versions": "| torch |",
        "run/how_to_read": "**collapse**",
        "games/pgn": '[Event "ZeroMass self-play, run it"]',
    }.items():
        assert words in events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()


@pytest.mark.parametrize("lost", [0, 4])
def test_after_a_resume_no_step_stands_twice(tmp_path: Path, lost: int) -> None:
    """Whether it ended well, or wrote rows after its last checkpoint and was killed."""
    folder = short_run(tmp_path, 12, "run.checkpoint_seconds=1000")
    if lost:
        later = [json.dumps({"step": step, "time": 0.0, "loss/total": 1.0}) for step in range(14, 14 + 2 * lost, 2)]
        folder.log.write_text(folder.log.read_text() + "\n".join(later) + '\n{"step": 99, "ti')
        events = Metrics(folder, 12)
        events.text("run/settings", "of the killed process", events.first_step)
        for step in range(13, 13 + 2 * lost):
            events.scalars({"loss/total": -1.0}, step)
        events.flush()
    resumed_run(folder, 30)
    shown = steps_shown(folder)
    for name, steps in shown.items():
        assert len(set(steps)) == len(steps), (name, steps)
        assert max(steps) <= 30, (name, steps)
    assert shown["loss/total"] == [row["step"] for row in log_of(folder.path)] == list(range(2, 31, 2))
    assert shown["run/settings"] == [0, 13]


def test_a_disk_that_is_full_and_a_clock_set_back_double_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SummaryWriter's thread would die at the first error, and TensorBoard reads files by the time in their names."""
    folder = RunFolder(tmp_path)
    folder.tensorboard.mkdir()
    for hours in (2, 1, 0):
        monkeypatch.setattr(time, "time", lambda hours=hours: 1.7e9 + 3600 * hours)
        metrics = Metrics(folder, None if hours == 2 else 5 * (3 - hours))
        for step in range(metrics.first_step, metrics.first_step + 10):
            for path in sorted(folder.tensorboard.iterdir())[-1:]:
                path.write_bytes(path.read_bytes() + b"half")
            for call in (partial(metrics.write, step, {"loss/total": 1.0}), metrics.flush):
                with monkeypatch.context() as full:
                    full.setattr(Path, "open", Mock(side_effect=OSError(errno.ENOSPC, "no room")))
                    with pytest.raises(OSError, match="no room"):
                        call()
                call()
    assert steps_shown(folder)["loss/total"] == [row["step"] for row in log_of(tmp_path)]


def test_an_undocumented_tag_is_refused(tmp_path: Path) -> None:
    events = Metrics(RunFolder(tmp_path), None)
    with pytest.raises(KeyError, match="'loss/nothing' is not documented"):
        events.scalars({"loss/nothing": 1.0}, 1)
    with pytest.raises(KeyError, match="'loss/total' is documented as a scalar, not as a text"):
        events.text("loss/total", "words", 1)
