"""Three runs made sick on purpose: `python docs/sick.py FOLDER` makes them there; without FOLDER it only redraws.

Every one is a real run of `zeromass train`, a minute long, with settings that somebody might choose. Their rows go to
tests/data/sick, their curves to docs/images; docs/watching.md shows how to read them.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import zeromass
from agent import drawing
from training.monitoring.health import judge
from training.monitoring.report.curves import buckets
from training.monitoring.rows import read_rows, series
from training.monitoring.tags.tags import COLLAPSE, STALE, STARVED, find_tag

ROOT: Final = Path(__file__).resolve().parent.parent
ROWS: Final = ROOT / "tests" / "data" / "sick"
KEPT: Final = 100
"""Rows of each that are kept."""
COMMON: Final = ("run.minutes=0.8", "evaluation.games=0", "selfplay.games=16", "replay.warmup=1024", "log.steps=2")
SICK: Final[dict[str, tuple[str, ...]]] = {
    # Nearly always the likeliest move, from the same position: all games are one game, and it repeats itself.
    COLLAPSE: ("selfplay.actors=0", "selfplay.temperature=0.02", "selfplay.opening_plies=0", "learner.batch_size=128"),
    # One actor that thinks about every move for long; the learner has seen everything it may and waits.
    STARVED: (
        "selfplay.actors=1",
        "selfplay.simulations=400",
        "selfplay.games=8",
        "selfplay.plies_per_call=4",
        "learner.batch_size=32",
        "learner.reuse=0.3",
        "replay.warmup=64",
    ),
    # Weights are published after every step, but an actor looks for new ones only after thousands of plies.
    STALE: (
        "selfplay.actors=2",
        "selfplay.plies_per_call=256",
        "learner.batch_size=64",
        "learner.publish_steps=1",
        "learner.reuse=4",
    ),
}
CHARTS: Final = ("selfplay/decisive", "selfplay/entropy", "time/waiting", "system/version_lag")
"""What is drawn of each: enough to tell the three apart."""


def prepare(cause: str, folder: Path) -> Path:
    """Run one and return its log."""
    name = cause.replace(" ", "-")
    overrides = [*COMMON, *SICK[cause], f"run.folder={folder}", f"run.name={name}"]
    if zeromass.main(["train", "demo", *overrides]) != 0:
        raise SystemExit(f"the run for {cause} did not end well")
    return folder / name / "log.jsonl"


def strip(rows: Sequence[dict[str, float]], title: str) -> str:
    """SVG: the charts side by side, each with its healthy range as a band."""
    parts = [drawing.text(10, 24, title, 16, bold=True)]
    for place, name in enumerate(CHARTS):
        parts.append(_panel(name, series(list(rows), name), 10 + 300 * place))
    return drawing.document(1210, 210, "".join(parts))


def _panel(name: str, points: list[tuple[int, float]], left: float) -> str:
    tag, top, width, height = find_tag(name), 62.0, 270.0, 110.0
    words = drawing.text(left, 54, name, 13, bold=True)
    panel = drawing.rectangle(left, top, width, height, drawing.PANEL)
    if not points:
        told = drawing.text(left + width / 2, top + height / 2, "not in this run", 12, anchor="middle")
        return words + panel + told
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)
    ends = [tag.low if tag.low is not None else 0.0, tag.high if tag.high is not None else 1.0]
    high = max([value for _, value in points] + ends) * 1.05

    def y_of(value: float) -> float:
        return top + height * (1 - max(value, 0.0) / high)

    upper, lower = y_of(tag.high if tag.high is not None else high), y_of(tag.low if tag.low is not None else 0.0)
    band = drawing.rectangle(left, upper, width, lower - upper, "#2da44e", 'fill-opacity="0.18"')
    path = " ".join(
        f"{left + width * (bucket.step - first) / (last - first):.1f},{y_of(bucket.mean):.1f}"
        for bucket in buckets(points)
    )
    line = f'<polyline points="{path}" fill="none" stroke="{drawing.BLUE}" stroke-width="1.8"/>'
    value = drawing.text(left + width, 54, f"at last {tag.show(points[-1][1])}", 12, anchor="end")
    steps = drawing.text(left, top + height + 16, f"steps {first:,} to {last:,}; healthy: {tag.healthy}", 11)
    return words + panel + band + line + steps + value


def main() -> None:
    """All three."""
    ROWS.mkdir(parents=True, exist_ok=True)
    for cause in SICK:
        name = cause.replace(" ", "-")
        if len(sys.argv) > 1:
            log = prepare(cause, Path(sys.argv[1])).read_text().splitlines(keepends=True)
            (ROWS / f"{name}.jsonl").write_text("".join(log[-KEPT:]))
        rows = read_rows(ROWS / f"{name}.jsonl")
        (ROOT / "docs" / "images" / f"sick-{name}.svg").write_text(strip(rows, judge(rows).verdict))
        print(f"{cause}: {judge(rows).verdict}")


if __name__ == "__main__":
    main()
