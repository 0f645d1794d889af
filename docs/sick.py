"""Three runs made sick on purpose: `python docs/sick.py FOLDER [CAUSE]` makes them there; without FOLDER it redraws.
Each is a real run of `zeromass train`, a minute long, with settings that a user might choose. Their rows go to
tests/data/sick, their curves to docs/images; docs/watching.md shows how to read them."""

import sys
from pathlib import Path
from typing import Final

import zeromass
from agent import drawing
from training.durability.run_folder import read_rows
from training.monitoring import guard
from training.monitoring.health import judge, series
from training.monitoring.pictures.frame import Frame
from training.monitoring.report.curves import buckets
from training.monitoring.tags.tags import COLLAPSE, STALE, STARVED, WATCHES, find_tag
from training.settings import GuardSettings

ROOT: Final = Path(__file__).resolve().parent.parent
ROWS: Final = ROOT / "tests" / "data" / "sick"
KEPT: Final = 100  # rows of each that are kept
COMMON: Final = "run.minutes=0.8 evaluation.games=0 selfplay.games=16 replay.warmup=1024 log.steps=2"
SICK: Final = {
    # Nearly always the likeliest move, from the same position: all games are one game, and it repeats itself.
    COLLAPSE.name: "selfplay.actors=0 selfplay.temperature=0.02 selfplay.opening_plies=0 learner.batch_size=128",
    # One actor with a slow search; the learner has trained on everything as often as it may, and waits.
    STARVED.name: (
        "selfplay.actors=1 selfplay.simulations=400 selfplay.games=8 selfplay.plies_per_call=4 learner.batch_size=32 "
        "learner.reuse=0.3 replay.warmup=64"
    ),
    # Weights are published after every step, but an actor fetches new ones only after thousands of plies.
    STALE.name: (
        "selfplay.actors=2 selfplay.plies_per_call=256 learner.batch_size=64 learner.publish_steps=1 learner.reuse=4"
    ),
}
CHARTS: Final = ("guard/decisive", "selfplay/entropy", "time/waiting", "system/version_lag")
"""What is drawn of each: enough to tell the three apart."""


def _panel(name: str, points: list[tuple[int, float]], left: float) -> str:
    tag = find_tag(name)
    if tag.limit:
        tag = WATCHES[name.removeprefix("guard/")].limited(getattr(GuardSettings(), name.removeprefix("guard/")))
    low, high = tag.low or 0.0, tag.high if tag.high is not None else 1.0
    steps = (points[0][0], max(points[-1][0], points[0][0] + 1)) if points else (0, 1)
    top = 1.05 * max([low, high, *(value for _, value in points)])
    frame = Frame(x=steps, y=(0, top), left=left, top=62, width=270, height=110)
    parts = [drawing.text(left, 54, name, 13, bold=True), frame.axes({}, {})]
    if not points:
        parts.append(drawing.text(left + 135, 117, "not in this run", 12, anchor="middle"))
        return "".join(parts)
    if tag.healthy:
        upper, lower = (frame.at(0, value)[1] for value in (high if tag.high is not None else top, low))
        parts.append(drawing.rectangle(left, upper, 270, lower - upper, "#2da44e", 'fill-opacity="0.18"'))
    parts.append(frame.line([(bucket.step, bucket.mean) for bucket in buckets(points)], dots=False))
    parts.append(drawing.text(left + 270, 54, f"at last {tag.show(points[-1][1])}", 12, anchor="end"))
    healthy = f"; healthy: {tag.healthy}" if tag.healthy else ""
    parts.append(drawing.text(left, 188, f"steps {steps[0]:,} to {steps[1]:,}{healthy}", 11))
    return "".join(parts)


def draw(folder: Path = ROOT / "docs" / "images") -> None:
    """The rows that are kept, as pictures in `folder`: charts side by side, each with its healthy range as a band."""
    for cause in SICK:
        rows = read_rows(ROWS / f"{cause.replace(' ', '-')}.jsonl")
        verdict = judge(rows).verdict
        panels = (_panel(name, series(rows, name), 30 + 300 * place) for place, name in enumerate(CHARTS))
        content = drawing.text(10, 24, verdict, 16, bold=True) + "".join(panels)
        (folder / f"sick-{cause.replace(' ', '-')}.svg").write_text(drawing.document(1230, 210, content))
        print(f"{cause}: {verdict}")


def main() -> None:
    """Make all three, or one, if a folder is given; draw all."""
    guard.GRACE_GAMES = 0  # type: ignore[misc]  # a minute is too short for them
    for cause in (sys.argv[2:] or SICK) if len(sys.argv) > 1 else ():
        name = cause.replace(" ", "-")
        overrides = [*COMMON.split(), *SICK[cause].split(), f"run.folder={sys.argv[1]}", f"run.name={name}"]
        if zeromass.main(["train", "demo", *overrides]) != 0:
            raise SystemExit(f"the run for {cause} did not end well")
        log = (Path(sys.argv[1]) / name / "log.jsonl").read_text().splitlines(keepends=True)
        (ROWS / f"{name}.jsonl").write_text("".join(log[-KEPT:]))
    draw()


if __name__ == "__main__":
    main()
